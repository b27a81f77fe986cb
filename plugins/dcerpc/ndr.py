"""Network Data Representation: C706 chapter 14 (NDR), MS-RPCE §2.2.5 (NDR64).

Numbers are aligned to their size, counted from the beginning of the stub data. NDR64 has pointers and the sizes of
arrays with 64 bits.
"""

from __future__ import annotations

from struct import Struct
from uuid import UUID

from fwhelpers.api import ParseError
from fwhelpers.sansio.cursor import Cursor

_U16 = (Struct(">H"), Struct("<H"))
_U32 = (Struct(">I"), Struct("<I"))
_U64 = (Struct(">Q"), Struct("<Q"))
_UUID = 16


class Ndr(Cursor):
    """Reads consecutive values. Positions count from `base`, the beginning of the representation."""

    __slots__ = ("base", "little", "wide")

    def __init__(self, data: bytes, little: bool = True, wide: bool = False, pos: int = 0) -> None:
        super().__init__(data, pos)
        self.base = pos
        self.little = little
        self.wide = wide  #: NDR64

    def align(self, size: int) -> None:
        """Skip the padding before a value. Raises ParseError."""
        self.skip(-(self.pos - self.base) % size)

    def u16(self) -> int:
        self.align(2)
        value: int = _U16[self.little].unpack_from(self.data, self.skip(2))[0]
        return value

    def u32(self) -> int:
        self.align(4)
        value: int = _U32[self.little].unpack_from(self.data, self.skip(4))[0]
        return value

    def u64(self) -> int:
        self.align(8)
        value: int = _U64[self.little].unpack_from(self.data, self.skip(8))[0]
        return value

    def count(self) -> int:
        """Read a pointer's referent, or a size, an offset or a number of elements of an array."""
        return self.u64() if self.wide else self.u32()

    def uuid(self) -> UUID:
        """Read a UUID, whose first three fields have the order of bytes of numbers."""
        self.align(4)
        data = self.take(_UUID)
        return UUID(bytes_le=data) if self.little else UUID(bytes=data)

    def varying(self, limit: int, size: int) -> int:
        """Read offset and number of the transmitted elements, `size` of which were allocated; return the number."""
        offset, number = self.count(), self.count()
        if offset or not number <= size <= limit:
            raise ParseError(f"an array of {number} elements from {offset} on")
        return number
