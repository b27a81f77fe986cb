"""From what a plugin wants to the tuple that conntrack will really see.

A plugin names the ends as they know themselves. The opener of the expected connection, though, goes where *it* believes
the other end to be, which is where its own direction of the master goes:

    client → server (a PASV, a GETPORT):   orig.src:*  →  orig.dst:port      then DNAT to  reply.src:announced port
    server → client (a PORT, a TFTP RRQ):  reply.src:* →  reply.dst:port     then DNAT to  orig.src:announced port

and on the way back out its source becomes what the master's other tuple says. The kernel does both when the expectation
carries CTA_EXPECT_NAT and the function "nat-follow-master" (net/netfilter/nf_nat_core.c, nf_nat_follow_master).
"""

from __future__ import annotations

from typing import NamedTuple

from fwhelpers.api import Endpoint, Expect
from fwhelpers.engine.guard import Prefix
from fwhelpers.kernel.conntrack import Tuple

_PROTOCOLS = {"tcp": 6, "udp": 17}


class Plan(NamedTuple):
    """Which tuple to expect and how it is translated."""

    tuple: Tuple
    nat: Tuple | None  #: real destination as source address and port (ctnetlink's convention)
    nat_dir: int
    visible: Endpoint  #: what the opener must be told
    prefix: int | None = None  #: how many bits of the source count; None: all

    def at(self, port: int) -> Plan:
        """The same with another visible port."""
        return self._replace(tuple=self.tuple._replace(dport=port), visible=self.visible.at(port))


def plan(want: Expect, l4: str, orig: Tuple, reply: Tuple) -> Plan:
    """Find the expected tuple of an announcement on the connection `orig`/`reply`."""
    to_client = _towards_client(want, orig, reply)
    mine, theirs = (orig, reply) if to_client else (reply, orig)
    source = theirs.src
    if want.client.addr not in (orig.src, reply.src):
        source = want.client.addr
    visible = _visible(want.server, Endpoint(mine.src, mine.sport), theirs)
    expected = Tuple(source, visible.addr, _PROTOCOLS[want.l4 or l4], want.sport or 0, visible.port)
    if not translated(orig, reply):
        return Plan(expected, None, 0, visible)
    blank = bytes(len(want.server.addr))
    saved = Tuple(want.server.addr, blank, expected.l4, want.server.port, 0)
    return Plan(expected, saved, int(to_client), visible)


def answers(want: Expect, l4: str, orig: Tuple, source: Prefix) -> Plan:
    """The tuple of answers that come from anywhere in a prefix to the asker itself.

    For requests whose addresses are not translated: nf_nat_follow_master() would give the answer the source address
    to which its master went, and that is a group. No function of the kernel translates the destination alone.
    """
    end = Endpoint(orig.src, want.server.port)
    expected = Tuple(source.addr, end.addr, _PROTOCOLS[want.l4 or l4], want.sport or 0, end.port)
    return Plan(expected, None, 0, end, source.length)


def _visible(announced: Endpoint, own: Endpoint, theirs: Tuple) -> Endpoint:
    """`own`: the announcer's end of the control connection; `theirs`: the same connection as its peer sees it."""
    if (
        announced == own
    ):  # a TFTP client asks with the port that it listens on: its translation exists
        return Endpoint(theirs.dst, theirs.dport)
    return announced if announced.addr != own.addr else Endpoint(theirs.dst, announced.port)


def translated(orig: Tuple, reply: Tuple) -> bool:
    """True if the connection's addresses or ports are translated on either side."""
    return (orig.src, orig.dst, orig.sport, orig.dport) != (
        reply.dst,
        reply.src,
        reply.dport,
        reply.sport,
    )


def _towards_client(want: Expect, orig: Tuple, reply: Tuple) -> bool:
    if want.client.addr == orig.src:
        # a host that talks to itself: the announced end tells nothing, the ports do
        return orig.src == reply.src and want.client.port == reply.sport
    return want.client.addr == reply.src or want.server.addr == orig.src
