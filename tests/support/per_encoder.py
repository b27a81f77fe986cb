"""An encoder of aligned PER for the tables of `fwhelpers.sansio.per`: the messages of the tests are written with it.

Values are those that the decoder returns, except that a string is written as bytes, or as the numbers of its
characters. An alternative or addition that the tables leave unread is written as the bytes of its encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fwhelpers.sansio.per import (
    Choice,
    Integer,
    ListOf,
    Null,
    Optional,
    Sequence,
    String,
    Type,
    Unread,
)


def encode(kind: Type, value: Any) -> bytes:
    """Return the encoding of a value, padded to whole octets."""
    writer = Writer()
    writer.write(kind, value)
    return writer.octets()


class Writer:
    """Collects bits."""

    def __init__(self) -> None:
        self._bits = ""

    def octets(self) -> bytes:
        self.align()
        return bytes(int(self._bits[at : at + 8], 2) for at in range(0, len(self._bits), 8))

    def bits(self, value: int, size: int) -> None:
        assert 0 <= value < 1 << size, (value, size)
        self._bits += format(value, f"0{size}b") if size else ""

    def align(self) -> None:
        self._bits += "0" * (-len(self._bits) % 8)

    def number(self, value: int, low: int, high: int) -> None:
        assert low <= value <= high, (low, value, high)
        span, value = high - low, value - low
        if span < 255:
            self.bits(value, span.bit_length())
        elif span < 65536:
            self.align()
            self.bits(value, 8 if span == 255 else 16)
        else:
            size = max(1, (value.bit_length() + 7) // 8)
            self.number(size, 1, (span.bit_length() + 7) // 8)
            self.align()
            self.bits(value, 8 * size)

    def small(self, value: int) -> None:
        assert value < 64
        self.bits(value, 7)

    def length(self, size: int, low: int = 0, high: int | None = None) -> None:
        if high is not None and high < 65536:
            self.number(size, low, high)
            return
        assert low <= size < 16384
        self.align()
        self.bits(size if size < 128 else 0x8000 | size, 8 if size < 128 else 16)

    def open_type(self, kind: Type, value: Any) -> None:
        data = value if isinstance(kind, Unread) else encode(kind, value)
        data = data or b"\0"  # X.691 §11.1.3: at least one octet
        self.length(len(data))
        self.bits(int.from_bytes(data, "big"), 8 * len(data))

    def write(self, kind: Type, value: Any) -> None:
        if isinstance(kind, Optional):
            self.write(kind.kind, value)
        elif isinstance(kind, Integer):
            self._integer(kind, value)
        elif isinstance(kind, String):
            self._string(kind, value)
        elif isinstance(kind, ListOf):
            if kind.low != kind.high:
                self.length(len(value), kind.low, kind.high)
            for item in value:
                self.write(kind.kind, item)
        elif isinstance(kind, Sequence):
            self._sequence(kind, value)
        elif isinstance(kind, Choice):
            self._choice(kind, *value)
        elif isinstance(kind, Unread):
            self.bits(int.from_bytes(value, "big"), 8 * len(value))
        else:
            assert isinstance(kind, Null)

    def _integer(self, kind: Integer, value: int) -> None:
        if kind.low is not None and kind.high is not None:
            self.number(value, kind.low, kind.high)
            return
        rest = value - (kind.low or 0)
        size = max(1, (rest.bit_length() + (8 if kind.low is None else 7)) // 8)
        self.length(size)
        data = rest.to_bytes(size, "big", signed=kind.low is None)
        self.bits(int.from_bytes(data, "big"), 8 * size)

    def _string(self, kind: String, value: Any) -> None:
        if kind.low != kind.high:
            self.length(len(value), kind.low, kind.high)
        else:
            assert len(value) == kind.low
        if len(value) and kind.is_aligned:
            self.align()
        for character in value:
            self.bits(character, kind.width)

    def _sequence(self, kind: Sequence, value: Mapping[str, Any]) -> None:
        additions = list((kind.additions or {}).items())
        names = {*kind.components, *(name for name, _ in additions)}
        assert value.keys() <= names, value.keys() - names
        added = [name for name, _ in additions if name in value]
        if kind.additions is not None:
            self.bits(bool(added), 1)
        for name, component in kind.components.items():
            if isinstance(component, Optional):
                self.bits(name in value, 1)
        for name, component in kind.components.items():
            if name in value or not isinstance(component, Optional):
                self.write(component, value[name])
        if added:
            self.small(len(additions) - 1)
            for name, _ in additions:
                self.bits(name in value, 1)
            for name, addition in additions:
                if name in value:
                    self.open_type(addition, value[name])

    def _choice(self, kind: Choice, name: str, value: Any) -> None:
        if kind.additions is not None:
            self.bits(name in kind.additions, 1)
        if kind.additions and name in kind.additions:
            self.small(list(kind.additions).index(name))
            self.open_type(kind.additions[name], value)
            return
        self.number(list(kind.alternatives).index(name), 0, len(kind.alternatives) - 1)
        self.write(kind.alternatives[name], value)
