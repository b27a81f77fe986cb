"""A bounded cursor over bytes: what isn't there is a ParseError, never a short read."""

from __future__ import annotations

from struct import Struct

from fwhelpers.api import ParseError

_U16 = Struct("!H")
_U32 = Struct("!I")


class Cursor:
    """Reads big-endian numbers and byte strings one after the other."""

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self.data) - self.pos

    def take(self, size: int) -> bytes:
        """Read exactly `size` bytes."""
        return self.data[self.skip(size) : self.pos]

    def skip(self, size: int) -> int:
        """Pass over `size` bytes; returns where they begin."""
        start = self.pos
        if not 0 <= size <= len(self.data) - start:
            raise ParseError(f"{size} bytes wanted at {start}, {self.left} left")
        self.pos = start + size
        return start

    def u8(self) -> int:
        """Read one byte."""
        return self.data[self.skip(1)]

    def u16(self) -> int:
        """Read two bytes."""
        value: int = _U16.unpack_from(self.data, self.skip(2))[0]
        return value

    def u32(self) -> int:
        """Read four bytes."""
        value: int = _U32.unpack_from(self.data, self.skip(4))[0]
        return value

    def end(self) -> None:
        """Raise ParseError unless all was read."""
        if self.left:
            raise ParseError(f"{self.left} bytes too many")
