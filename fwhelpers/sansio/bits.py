"""A cursor over the bits of an aligned PER encoding (X.691): fields, alignment, lengths.

The bounds that make a hostile message harmless are here: nothing is read behind the end, and `step` limits the values
of one message and their nesting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fwhelpers.api import ParseError

MAX_VALUES = 4096  #: values that one cursor decodes
MAX_DEPTH = 16  #: open types and lists within one another


class BitCursor:
    """Reads the bits of data[start:end]. Positions count from the beginning of `data`."""

    __slots__ = ("_depth", "_end", "_values", "data", "pos")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.data = data
        self.pos = 8 * start  #: in bits
        self._end = 8 * (len(data) if end is None else end)
        self._values = 0
        self._depth = 0

    def bits(self, size: int) -> int:
        """Read an unsigned number of `size` bits. Raises ParseError."""
        end = self.pos + size
        if end > self._end:
            raise ParseError(f"{size} bits expected, {self._end - self.pos} remain")
        octets = self.data[self.pos >> 3 : (end + 7) >> 3]
        self.pos = end
        return (int.from_bytes(octets, "big") >> (-end & 7)) & ((1 << size) - 1)

    def align(self) -> None:
        """Go to the next octet."""
        self.pos = (self.pos + 7) & ~7

    def octets(self, size: int) -> int:
        """Pass over aligned octets; return the offset of the first. Raises ParseError."""
        self.align()
        start = self.pos >> 3
        if size > (self._end >> 3) - start:
            raise ParseError(f"{size} octets expected, {(self._end - self.pos) >> 3} remain")
        self.pos += 8 * size
        return start

    def number(self, low: int, high: int) -> int:
        """Read a constrained whole number (X.691 §11.5). Raises ParseError."""
        span = high - low
        if span < 255:
            value = self.bits(span.bit_length())
        elif span < 65536:
            self.align()
            value = self.bits(8 if span == 255 else 16)
        else:
            size = self.number(1, (span.bit_length() + 7) // 8)
            self.align()
            value = self.bits(8 * size)
        if value > span:
            raise ParseError(f"{low + value} where at most {high} is allowed")
        return low + value

    def small(self) -> int:
        """Read a normally small number (X.691 §11.6): an extension's index. Raises ParseError."""
        if not self.bits(1):
            return self.bits(6)
        size = self.length()
        self.align()
        return self.bits(8 * size)

    def length(self, low: int = 0, high: int | None = None) -> int:
        """Read a length determinant (X.691 §11.9). Fragments of 16 K and more are a ParseError."""
        if high is not None and high < 65536:
            return self.number(low, high)
        self.align()
        if not self.bits(1):
            size = self.bits(7)
        elif not self.bits(1):
            size = self.bits(14)
        else:
            raise ParseError("a value of 16384 octets or more")
        if size < low:
            raise ParseError(f"{size} elements where at least {low} are required")
        return size

    def step(self) -> None:
        """Count a value. Raises ParseError if there are too many."""
        self._values += 1
        if self._values > MAX_VALUES:
            raise ParseError(f"more than {MAX_VALUES} values in one message")

    @contextmanager
    def nested(self) -> Iterator[None]:
        """Count a level of nesting. Raises ParseError if there are too many."""
        if self._depth == MAX_DEPTH:
            raise ParseError(f"more than {MAX_DEPTH} nested values")
        self._depth += 1
        yield
        self._depth -= 1

    @contextmanager
    def open_type(self) -> Iterator[None]:
        """Enter an open type (X.691 §11.2.1); afterwards the cursor is behind it, however much was read."""
        size = self.length()
        start = self.octets(size)
        outer, self._end = self._end, 8 * (start + size)
        self.pos = 8 * start
        with self.nested():
            yield
        self._end, self.pos = outer, 8 * (start + size)
