"""The part of XDR (RFC 4506) that portmap and rpcbind use: unsigned integers, opaque data, strings.

| length | bytes … | zeros up to a multiple of four |
"""

from __future__ import annotations

from struct import pack

from fwhelpers.api import ParseError
from fwhelpers.sansio.cursor import Cursor


class Xdr(Cursor):
    """A cursor over XDR data."""

    __slots__ = ()

    def opaque(self, max_size: int) -> bytes:
        """Read opaque data or a string of at most `max_size` bytes, and its padding. Raises ParseError."""
        size = self.u32()
        if size > max_size:
            raise ParseError(f"{size} bytes where {max_size} are allowed")
        data = self.take(size)
        self.skip(-size % 4)
        return data

    def flag(self) -> bool:
        """Read a boolean (§4.4): 0 or 1. Raises ParseError."""
        value = self.u32()
        if value > 1:
            raise ParseError(f"{value} is no boolean")
        return bool(value)


def string(text: bytes) -> bytes:
    """Encode a string with its length and padding."""
    return pack("!I", len(text)) + text + bytes(-len(text) % 4)
