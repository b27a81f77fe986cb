"""Safety rules that depend on this machine's own addresses and on-link prefixes.

A request to a group or broadcast address is answered from addresses that nobody can foresee, so the expectation's
source is a prefix (safety rule G8): the prefixes that are on-link at the outgoing interface, never any address.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Protocol

from fwhelpers.api import Expect, Flow
from fwhelpers.engine.guard import Prefix, Refusal
from fwhelpers.kernel.conntrack import Tuple


class Lookup(Protocol):
    """Addresses and on-link prefixes of this machine's interfaces."""

    def __call__(self, index: int) -> Sequence[Prefix]:
        """Return the on-link prefixes of an interface, () if its index is unknown."""

    def own(self, addr: bytes) -> bool | None:
        """Return whether it is an address of this machine, None if its addresses are unknown."""


#: RFC 4291 §2.5.6
LINK_LOCAL = Prefix(b"\xfe\x80" + bytes(14), 10)

#: any source. Only for answers to a link-local address, which no router forwards (RFC 4291 §2.5.6)
ANY_IPV6 = Prefix(bytes(16), 0)

#: expectations of one request, one for each prefix
MAX_PREFIXES = 4

#: prefixes shorter than this are a mistake, and would let nearly everybody in; by the address's size
_MIN_LENGTH = {4: 8, 16: 32}

_LIMITED_BROADCAST = b"\xff" * 4


class _NoLinks:
    def __call__(self, index: int) -> Sequence[Prefix]:
        return ()

    def own(self, addr: bytes) -> bool:
        return False


#: a machine without interfaces: no request to a group opens anything
NO_LINKS = _NoLinks()


def judge_local(event: Expect, orig: Tuple, reply: Tuple, links: Lookup) -> Refusal | None:
    """Apply G16: a forwarded connection opens nothing that ends on this machine."""
    addr = event.server.addr
    # a connection that ends here has one of its ends here, before or after translation
    if addr in (orig.src, reply.src):
        return None
    own = links.own(addr)
    if own is None:
        return Refusal("G16", "the addresses of this machine are unknown")
    if not own or links.own(orig.src) or links.own(reply.src):
        return None
    return Refusal(
        "G16", f"{event.server.host} is this machine, which only forwards the connection"
    )


def judge_request(flow: Flow, prefixes: Sequence[Prefix]) -> Refusal | None:
    """Apply G8: only a request to a group or broadcast address may be answered by other hosts."""
    addr = flow.server.addr
    multicast = addr[0] == 0xFF if len(addr) == 16 else addr[0] & 0xF0 == 0xE0
    if multicast or addr == _LIMITED_BROADCAST or any(addr == _broadcast(p) for p in prefixes):
        return None
    return Refusal("G8", f"{flow.server.host} is neither a group nor a broadcast address")


def judge_sender(flow: Flow, prefixes: Sequence[Prefix]) -> Refusal | None:
    """Apply G8: a request to a group that this machine did not send itself comes from the link where it arrived.

    Its source is easily forged, and would be opened to the whole link: a host behind another interface, or on the
    internet. `prefixes` are those of the incoming interface.
    """
    source = flow.client.addr
    if source in LINK_LOCAL or any(source in prefix for prefix in _usable(prefixes, len(source))):
        return None
    return Refusal("G8", f"{flow.client.host} is not on the link where its message arrived")


def same_link(client: bytes, server: bytes, prefixes: Sequence[Prefix]) -> bool:
    """Return whether both addresses are of one prefix. `prefixes` are those of the interface between them.

    The server's address alone would not do: strangers may share a gateway's uplink.
    """
    size = len(client)
    if len(server) != size:
        return False
    # the lower bits in which they differ, which are few on a common link
    apart = (int.from_bytes(client, "big") ^ int.from_bytes(server, "big")).bit_length()
    near = [prefix for prefix in prefixes if 8 * size - prefix.length >= apart]
    return bool(near) and any(client in prefix for prefix in _usable(near, size))


def judge_source(event: Expect, prefixes: Sequence[Prefix]) -> Refusal | None:
    """Apply G8: no connection comes from the broadcast address of a link."""
    if any(event.client.addr == _broadcast(prefix) for prefix in prefixes):
        return Refusal("G8", f"nobody answers from {event.client.host}, a broadcast address")
    return None


def judge_destination(event: Expect, prefixes: Iterable[Prefix]) -> Refusal | None:
    """Apply G5: no announcement names the broadcast address of a link."""
    if any(event.server.addr == _broadcast(prefix) for prefix in prefixes):
        return Refusal("G5", f"{event.server.host} is a broadcast address")
    return None


def source_prefixes(
    event: Expect, flow: Flow, prefixes: Sequence[Prefix]
) -> tuple[Prefix, ...] | Refusal:
    """Return the prefixes that answers may come from, the asker's own first."""
    source = flow.client.addr
    if source in LINK_LOCAL:
        # Routers that answer (DHCPv6, RFC 8415 §7.2; mDNS, SSDP) may choose a global address, and a host that has
        # no address yet knows no prefix of the link. What is opened is reachable from the link alone
        datagrams_from_link = event.sources == "on-link" and (event.l4 or flow.l4) == "udp"
        return (ANY_IPV6,) if datagrams_from_link else (LINK_LOCAL,)
    if event.sources == "link-local":
        return Refusal("G8", f"{flow.client.host} is no link-local address")
    if event.sources != "on-link":
        return Refusal("G8", f"unknown sources {event.sources!r}")
    usable = tuple(_usable(prefixes, len(source)))
    if not usable:
        return Refusal("G8", "the request's outgoing link has no on-link prefix")
    return tuple(sorted(usable, key=lambda prefix: source not in prefix))[:MAX_PREFIXES]


def _usable(prefixes: Iterable[Prefix], size: int) -> Iterable[Prefix]:
    for prefix in dict.fromkeys(prefixes):
        if (
            len(prefix.addr) == size
            and prefix.length >= _MIN_LENGTH[size]
            and _unicast(prefix.addr)
        ):
            yield prefix


def _unicast(addr: bytes) -> bool:
    if len(addr) == 4:
        return addr[0] not in (0, 127) and addr[0] < 224
    return any(addr[:15]) and addr[0] != 0xFF and addr not in LINK_LOCAL


@lru_cache(256)
def _broadcast(prefix: Prefix) -> bytes | None:
    if len(prefix.addr) != 4 or prefix.length > 30:  # RFC 3021: /31 has no broadcast
        return None
    host_bits = (1 << (32 - prefix.length)) - 1
    return (int.from_bytes(prefix.addr, "big") | host_bits).to_bytes(4, "big")
