"""From an announcement to the tuple of the connection that conntrack will see.

A parser names both ends as they know themselves. The opener of the expected connection, however, connects to the
address by which *it* knows the other end, as on the control connection:

    client → server (a PASV, a GETPORT):   orig.src:*  →  orig.dst:port      then DNAT to  reply.src:announced port
    server → client (a PORT, a TFTP RRQ):  reply.src:* →  reply.dst:port     then DNAT to  orig.src:announced port

The opener's own address is translated as on the control connection. The kernel does both for an expectation with
CTA_EXPECT_NAT and the function "nat-follow-master" (net/netfilter/nf_nat_core.c, nf_nat_follow_master). That takes both
addresses from the control connection: the packets of a third party would get the address of its other end, those to a
third party would go to that end. The function "sip" translates a source only if it is that other end, and the
destination to the address in CTA_EXPECT_NAT (net/netfilter/nf_nat_sip.c, nf_nat_sip_expected).

Text that names an end and opens nothing is translated by the same rules (`visible_endpoint`).
"""

from __future__ import annotations

from typing import NamedTuple

from fwhelpers.api import Endpoint, Expect
from fwhelpers.engine.guard import Prefix, Refusal
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.transports import NUMBERS, PORTLESS


class Plan(NamedTuple):
    """The tuple to expect and its translation."""

    tuple: Tuple
    nat: Tuple | None  #: real destination as source address and port (ctnetlink's convention)
    nat_dir: int
    visible: Endpoint  #: the announced endpoint as the opener must see it
    prefix: int | None = None  #: bits of the source address that count; None: all
    #: another host than the ends of the control connection takes part, whose address stays as it is
    third_party: bool = False
    #: No bit of the tuple's source port counts, so it has the real port where that differs from the visible one.
    #: conntrackd carries it to the other gateway, but not the translation (decision 0127)
    carries: bool = False

    def at(self, port: int) -> Plan:
        """Return the plan with another visible port."""
        expected = self.tuple._replace(dport=port)
        if self.carries and self.nat is not None:
            expected = expected._replace(sport=_carried(self.nat.sport, port))
        return self._replace(tuple=expected, visible=self.visible.at(port))

    def after(self, offset: int) -> Plan:
        """Return the plan of the port that follows by `offset`."""
        nat = self.nat and self.nat._replace(sport=self.nat.sport + offset)
        return self._replace(nat=nat).at(self.visible.port + offset)


def plan(event: Expect, l4: str, orig: Tuple, reply: Tuple) -> Plan:
    """Plan the connection that is announced on the connection `orig`/`reply`."""
    to_client = _towards_client(event, orig, reply)
    own, peer = (orig, reply) if to_client else (reply, orig)
    ends = orig.src, reply.src
    source, prefix = (peer.src if event.client.addr in ends else event.client.addr), None
    addresses = *ends, own.dst, peer.dst
    third_party = event.client.addr not in ends or event.server.addr not in addresses
    if event.sources == "any":
        source, prefix, third_party = bytes(len(source)), 0, True
    changed = translated(orig, reply)
    visible = _visible(event.server, own, peer) if changed else event.server
    l4_number = NUMBERS[event.l4 or l4]
    expected = Tuple(source, visible.addr, l4_number, event.sport or 0, visible.port)
    if not changed:
        return Plan(expected, None, 0, visible, prefix)
    unspecified = bytes(len(event.server.addr))
    real = Tuple(event.server.addr, unspecified, expected.l4, event.server.port, 0)
    carries = event.sport is None
    if carries:
        expected = expected._replace(sport=_carried(real.sport, visible.port))
    return Plan(expected, real, int(to_client), visible, prefix, third_party, carries)


def _carried(real: int, visible: int) -> int:
    return real if real != visible else 0


def plan_answers(event: Expect, l4: str, orig: Tuple, source: Prefix) -> Plan:
    """Plan the answers from any address of a prefix to the asker.

    The request's addresses must not be translated: nf_nat_follow_master() would give an answer the source address
    that its master has as destination, which is a group. The kernel has no function that translates the destination
    alone.
    """
    end = Endpoint(orig.src, event.server.port)
    l4_number = NUMBERS[event.l4 or l4]
    expected = Tuple(source.addr, end.addr, l4_number, event.sport or 0, end.port)
    return Plan(expected, None, 0, end, source.length)


def judge_translation(event: Expect, orig: Tuple, reply: Tuple) -> Refusal | None:
    """Apply G15: nothing tells the hosts behind a translated address apart if the protocol has no ports."""
    if event.l4 in PORTLESS and translated(orig, reply):
        return Refusal("G15", f"the control connection is translated, {event.l4} has no ports")
    return None


def _visible(announced: Endpoint, own: Tuple, peer: Tuple) -> Endpoint:
    """`own` is the announcer's direction of the control connection, `peer` that of its peer."""
    addr, port = announced
    if addr != own.src:
        return announced
    # a TFTP client announces its own source port, whose translation exists
    return Endpoint(peer.dst, peer.dport if port == own.sport else port)


def translated(orig: Tuple, reply: Tuple) -> bool:
    """Return whether an address or a port of the connection is translated."""
    src, dst, l4, sport, dport = orig
    return reply != (dst, src, l4, dport, sport)


def _towards_client(event: Expect, orig: Tuple, reply: Tuple) -> bool:
    if event.client.addr == orig.src:
        # both ends of a connection within one host have the same address, and differ in the port only
        return orig.src == reply.src and event.client.port == reply.sport
    return event.client.addr == reply.src or event.server.addr == orig.src
