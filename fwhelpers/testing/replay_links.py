"""The on-link prefixes of a replayed capture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fwhelpers.engine.guard import Prefix
from fwhelpers.testing.fake_conntrack import Connection


class PacketState(Protocol):
    """The packet under inspection."""

    broadcast: bool  #: its frame went to the link layer's broadcast address
    connection: Connection | None


_AUTOCONF = Prefix(bytes([169, 254, 0, 0]), 16)  # RFC 3927


class ReplayLinks:
    """The on-link prefixes, which a capture does not record; nothing is this machine's own address.

    A configured prefix that contains the client wins. A frame to the link's broadcast address reveals the prefix by
    its IPv4 destination. Otherwise the client's /24 (/16 in 169.254/16) or /64 is assumed.
    """

    def __init__(self, state: PacketState, configured: Sequence[Prefix]) -> None:
        self._state = state
        self._configured = configured

    def __call__(self, index: int) -> list[Prefix]:
        connection = self._state.connection
        source = connection.orig.src if connection else bytes(4)
        configured = [prefix for prefix in self._configured if source in prefix]
        if configured:
            return configured
        if len(source) == 16:
            return [Prefix.around(source, 64)]
        if source in _AUTOCONF:
            return [_AUTOCONF]
        length = 24
        if connection is not None and self._state.broadcast:
            length = _prefix_length(source, connection.orig.dst) or length
        return [Prefix.around(source, length)]

    def own(self, addr: bytes) -> bool:
        return False


#: a /24 where it fits, else the widest subnet of one, else the narrowest network of several
_LENGTHS: tuple[int, ...] = (24, *range(25, 31), *range(23, 7, -1))


def _prefix_length(source: bytes, destination: bytes) -> int | None:
    """Return the length of a prefix with `source` of which `destination` is the broadcast address, or None."""
    client, broadcast = (int.from_bytes(addr, "big") for addr in (source, destination))
    for length in _LENGTHS:
        host = (1 << 32 - length) - 1
        if broadcast & host == host and (client ^ broadcast) & ~host == 0:
            return length
    return None
