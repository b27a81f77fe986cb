"""Who may answer a request that went to nobody in particular: hosts on the link by which it left.

Such an answer comes from an address that nobody knows beforehand, so the expectation's source is a prefix (safety rule
G8): those that the kernel takes for on-link on the outgoing interface, never everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from fwhelpers.api import Expect, Flow
from fwhelpers.engine.guard import Prefix, Refusal
from fwhelpers.kernel.conntrack import Tuple


class Lookup(Protocol):
    """What this machine's interfaces know."""

    def __call__(self, index: int) -> Sequence[Prefix]:
        """What is on-link at an interface, by its index; () for one that is not known."""

    def own(self, addr: bytes) -> bool:
        """Is it an address of this machine? Of one that is not known: no."""


#: RFC 4291 §2.5.6
LINK_LOCAL = Prefix(b"\xfe\x80" + bytes(14), 10)

#: expectations that one request makes at most, one a prefix
MAX_PREFIXES = 4

#: shorter prefixes are a mistake, and as good as everybody
_SHORTEST = {4: 8, 16: 32}

_EVERYBODY = b"\xff" * 4


class Nowhere:
    """A lookup that knows no interface: nothing opens."""

    def __call__(self, index: int) -> Sequence[Prefix]:
        return ()

    def own(self, addr: bytes) -> bool:
        return False


NO_LINKS = Nowhere()


def judge_local(want: Expect, orig: Tuple, reply: Tuple, links: Lookup) -> Refusal | None:
    """G16: a connection that is forwarded opens nothing that ends on this machine itself."""
    end = want.server.addr
    # what ends here has one of its ends here, in truth or as its peer sees it
    if end in (orig.src, reply.src) or not links.own(end):
        return None
    if links.own(orig.src) or links.own(reply.src):
        return None
    return Refusal("G16", f"{want.server.host} is this machine, which the connection only passes")


def judge_request(flow: Flow, prefixes: Sequence[Prefix]) -> Refusal | None:
    """G8: only a request to a group or to a broadcast address is answered by others than whom it went to."""
    where = flow.server.addr
    multicast = where[0] == 0xFF if len(where) == 16 else where[0] & 0xF0 == 0xE0
    if multicast or where == _EVERYBODY or any(where == _last(p) for p in prefixes):
        return None
    return Refusal("G8", f"{flow.server.host} is neither a group nor a broadcast address")


def peers(want: Expect, flow: Flow, prefixes: Sequence[Prefix]) -> tuple[Prefix, ...] | Refusal:
    """The prefixes from which the answers may come, that of the asker first."""
    source = flow.client.addr
    if source in LINK_LOCAL:  # an answer to a link-local address comes from one: RFC 6724 §5 rule 2
        return (LINK_LOCAL,)
    if want.sources == "link-local":
        return Refusal("G8", f"{flow.client.host} is no link-local address")
    if want.sources != "on-link":
        return Refusal("G8", f"sources {want.sources!r} are not known")
    found = tuple(_sensible(prefixes, len(source)))
    if not found:
        return Refusal("G8", "no network is known on the link by which the request left")
    return tuple(sorted(found, key=lambda prefix: source not in prefix))[:MAX_PREFIXES]


def _sensible(prefixes: Iterable[Prefix], size: int) -> Iterable[Prefix]:
    for prefix in dict.fromkeys(prefixes):
        if len(prefix.addr) == size and prefix.length >= _SHORTEST[size] and _ordinary(prefix.addr):
            yield prefix


def _ordinary(addr: bytes) -> bool:
    if len(addr) == 4:
        return addr[0] not in (0, 127) and addr[0] < 224
    return any(addr[:15]) and addr[0] != 0xFF and addr not in LINK_LOCAL


def _last(prefix: Prefix) -> bytes | None:
    if len(prefix.addr) != 4 or prefix.length > 30:  # RFC 3021: /31 has no broadcast
        return None
    rest = (1 << (32 - prefix.length)) - 1
    return (int.from_bytes(prefix.addr, "big") | rest).to_bytes(4, "big")
