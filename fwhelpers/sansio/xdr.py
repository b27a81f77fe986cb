"""The part of XDR (RFC 4506) that portmap and rpcbind use: unsigned integers, opaque data, strings.

| length | bytes … | zeros up to a multiple of four |
"""

from __future__ import annotations

from struct import pack

from fwhelpers.api import ParseError
from fwhelpers.sansio.cursor import Cursor


class Xdr(Cursor):
    """A cursor that knows variable-length data."""

    __slots__ = ()

    def opaque(self, most: int) -> bytes:
        """Read opaque data or a string of at most `most` bytes, its padding included."""
        size = self.u32()
        if size > most:
            raise ParseError(f"{size} bytes where {most} are allowed")
        data = self.take(size)
        self.skip(-size % 4)
        return data

    def flag(self) -> bool:
        """Read a boolean, §4.4: 0 or 1, nothing else."""
        value = self.u32()
        if value > 1:
            raise ParseError(f"{value} is no boolean")
        return bool(value)


def string(text: bytes) -> bytes:
    """Write a string with its length and padding."""
    return pack("!I", len(text)) + text + bytes(-len(text) % 4)
