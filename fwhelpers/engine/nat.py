"""From an announcement to the tuple of the connection that conntrack will see.

A parser names both ends as they know themselves. The opener of the expected connection, however, connects to the
address by which *it* knows the other end, as on the control connection:

    client → server (a PASV, a GETPORT):   orig.src:*  →  orig.dst:port      then DNAT to  reply.src:announced port
    server → client (a PORT, a TFTP RRQ):  reply.src:* →  reply.dst:port     then DNAT to  orig.src:announced port

The opener's own address is translated as on the control connection. The kernel does both for an expectation with
CTA_EXPECT_NAT and the function "nat-follow-master" (net/netfilter/nf_nat_core.c, nf_nat_follow_master).
"""

from __future__ import annotations

from typing import NamedTuple

from fwhelpers.api import Endpoint, Expect
from fwhelpers.engine.guard import Prefix
from fwhelpers.kernel.conntrack import Tuple

_PROTOCOLS = {"tcp": 6, "udp": 17}


class Plan(NamedTuple):
    """The tuple to expect and its translation."""

    tuple: Tuple
    nat: Tuple | None  #: real destination as source address and port (ctnetlink's convention)
    nat_dir: int
    visible: Endpoint  #: the announced endpoint as the opener must see it
    prefix: int | None = None  #: bits of the source address that count; None: all

    def at(self, port: int) -> Plan:
        """Return the plan with another visible port."""
        return self._replace(tuple=self.tuple._replace(dport=port), visible=self.visible.at(port))


def plan(event: Expect, l4: str, orig: Tuple, reply: Tuple) -> Plan:
    """Plan the connection that is announced on the connection `orig`/`reply`."""
    to_client = _towards_client(event, orig, reply)
    own, peer = (orig, reply) if to_client else (reply, orig)
    source = peer.src
    if event.client.addr not in (orig.src, reply.src):
        source = event.client.addr
    visible = _visible(event.server, Endpoint(own.src, own.sport), peer)
    l4_number = _PROTOCOLS[event.l4 or l4]
    expected = Tuple(source, visible.addr, l4_number, event.sport or 0, visible.port)
    if not translated(orig, reply):
        return Plan(expected, None, 0, visible)
    unspecified = bytes(len(event.server.addr))
    real = Tuple(event.server.addr, unspecified, expected.l4, event.server.port, 0)
    return Plan(expected, real, int(to_client), visible)


def plan_answers(event: Expect, l4: str, orig: Tuple, source: Prefix) -> Plan:
    """Plan the answers from any address of a prefix to the asker.

    The request's addresses must not be translated: nf_nat_follow_master() would give an answer the source address
    that its master has as destination, which is a group. The kernel has no function that translates the destination
    alone.
    """
    end = Endpoint(orig.src, event.server.port)
    l4_number = _PROTOCOLS[event.l4 or l4]
    expected = Tuple(source.addr, end.addr, l4_number, event.sport or 0, end.port)
    return Plan(expected, None, 0, end, source.length)


def _visible(announced: Endpoint, own: Endpoint, peer: Tuple) -> Endpoint:
    """`own` is the announcer's end of the control connection, `peer` the direction of its peer."""
    if announced == own:  # a TFTP client announces its own source port, whose translation exists
        return Endpoint(peer.dst, peer.dport)
    return announced if announced.addr != own.addr else Endpoint(peer.dst, announced.port)


def translated(orig: Tuple, reply: Tuple) -> bool:
    """Return whether an address or a port of the connection is translated."""
    return (orig.src, orig.dst, orig.sport, orig.dport) != (
        reply.dst,
        reply.src,
        reply.dport,
        reply.sport,
    )


def _towards_client(event: Expect, orig: Tuple, reply: Tuple) -> bool:
    if event.client.addr == orig.src:
        # both ends of a connection within one host have the same address, and differ in the port only
        return orig.src == reply.src and event.client.port == reply.sport
    return event.client.addr == reply.src or event.server.addr == orig.src
