"""A bounded cursor over bytes. Reading beyond the end is a ParseError, never a short read."""

from __future__ import annotations

from struct import Struct

from fwhelpers.api import ParseError

_U16 = Struct("!H")
_U32 = Struct("!I")


class Cursor:
    """Reads consecutive big-endian numbers and byte strings."""

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes, pos: int = 0) -> None:
        self.data = data
        self.pos = pos

    @property
    def remaining(self) -> int:
        """Number of unread bytes."""
        return len(self.data) - self.pos

    def take(self, size: int) -> bytes:
        """Read exactly `size` bytes. Raises ParseError."""
        return self.data[self.skip(size) : self.pos]

    def skip(self, size: int) -> int:
        """Skip `size` bytes; return the position of the first."""
        start = self.pos
        if not 0 <= size <= len(self.data) - start:
            raise ParseError(f"{size} bytes expected at {start}, {self.remaining} remain")
        self.pos = start + size
        return start

    def u8(self) -> int:
        return self.data[self.skip(1)]

    def u16(self) -> int:
        value: int = _U16.unpack_from(self.data, self.skip(2))[0]
        return value

    def u32(self) -> int:
        value: int = _U32.unpack_from(self.data, self.skip(4))[0]
        return value

    def end(self) -> None:
        """Raise ParseError if bytes remain."""
        if self.remaining:
            raise ParseError(f"{self.remaining} bytes too many")
