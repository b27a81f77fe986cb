"""Netlink attributes: type-length-value, padded to four bytes (linux/netlink.h)."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

_HEAD = Struct("=HH")
_U16 = Struct("!H")
_U32 = Struct("!I")

NESTED = 0x8000
_TYPE_MASK = 0x3FFF

Buffer = bytes | memoryview


class DecodeError(ValueError):
    """Malformed netlink message."""


def attr(kind: int, payload: bytes) -> bytes:
    """An attribute with its padding."""
    size = 4 + len(payload)
    padding = -size & 3
    attribute = _HEAD.pack(size, kind) + payload
    return attribute + bytes(padding) if padding else attribute


def nest(kind: int, *attributes: bytes) -> bytes:
    """An attribute that contains attributes."""
    return attr(kind | NESTED, b"".join(attributes))


def u8(kind: int, value: int) -> bytes:
    """One byte."""
    return attr(kind, bytes((value,)))


def be16(kind: int, value: int) -> bytes:
    """Two bytes in network order."""
    return attr(kind, _U16.pack(value))


def be32(kind: int, value: int) -> bytes:
    """Four bytes in network order."""
    return attr(kind, _U32.pack(value))


def strz(kind: int, text: str) -> bytes:
    """A zero-terminated string."""
    return attr(kind, text.encode() + b"\0")


def walk(buffer: Buffer, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Yield type, first and last+1 offset of each attribute's payload. Raises DecodeError."""
    end = len(buffer) if end is None else end
    while start + 4 <= end:
        size, kind = _HEAD.unpack_from(buffer, start)
        if size < 4 or start + size > end:
            raise DecodeError(f"attribute of {size} bytes where {end - start} are left")
        yield kind & _TYPE_MASK, start + 4, start + size
        start += (size + 3) & ~3


def parse(buffer: Buffer) -> dict[int, memoryview]:
    """Return the attributes by type, of equal types the last. Raises DecodeError."""
    view = memoryview(buffer)
    attributes = {}
    begin, end, unpack = 0, len(view), _HEAD.unpack_from
    while begin + 4 <= end:
        size, kind = unpack(view, begin)
        if size < 4 or begin + size > end:
            raise DecodeError(f"attribute of {size} bytes where {end - begin} are left")
        attributes[kind & _TYPE_MASK] = view[begin + 4 : begin + size]
        begin += (size + 3) & ~3
    return attributes


def number(value: Buffer) -> int:
    """Decode a number in network order, of any size."""
    return int.from_bytes(value, "big")


def text(value: Buffer) -> str:
    """Decode a string up to its terminating zero."""
    return bytes(value).split(b"\0", 1)[0].decode("ascii", "replace")
