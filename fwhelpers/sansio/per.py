"""Aligned PER (X.691), driven by tables: a type is an object that reads its value at a cursor.

    Address = sequence(ip=octets(4), port=integer(0, 65535)).extensible()
    Message = choice(none=NULL, address=Address).extensible(comment=UNREAD)

    decode(Message, data)   # ("address", {"ip": Octets(1, 5), "port": 1720})

The tables follow the ASN.1 of a recommendation name by name, with `_` for `-`. They are cut where nothing of interest
follows: extensions that are not in a table are passed over, as the encoding tells their size; `UNREAD` passes over one
that is, and ends the decoding as an alternative of a choice.

Values: a dict for a SEQUENCE, a pair for a CHOICE, a list for a SEQUENCE OF, an int, `Octets` for an OCTET STRING,
None for all others.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from fwhelpers.api import ParseError
from fwhelpers.sansio.bits import BitCursor

MAX_EXTENSIONS = 64  #: additions of one SEQUENCE


class Octets(NamedTuple):
    """The place of an OCTET STRING in the data."""

    start: int
    end: int


class Type(Protocol):
    """An ASN.1 type."""

    def read(self, cursor: BitCursor) -> Any:
        """Read a value. Raises ParseError."""


def decode(kind: Type, data: bytes, start: int = 0, end: int | None = None) -> Any:
    """Decode the value in data[start:end]; bytes behind it are ignored. Raises ParseError."""
    return kind.read(BitCursor(data, start, end))


@dataclass(frozen=True, slots=True)
class Unread:
    """A value that is of no interest. Only extensions and the last part of a message can be left unread."""

    def read(self, cursor: BitCursor) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Null:
    """NULL takes no bits."""

    def read(self, cursor: BitCursor) -> None:
        cursor.step()


@dataclass(frozen=True, slots=True)
class Integer:
    """INTEGER (X.691 §13); `high` None: no upper bound, both None: no bounds."""

    low: int | None = None
    high: int | None = None

    def read(self, cursor: BitCursor) -> int:
        cursor.step()
        if self.low is not None and self.high is not None:
            return cursor.number(self.low, self.high)
        size = cursor.length(1)
        start = cursor.octets(size)
        octets = cursor.data[start : start + size]
        return (self.low or 0) + int.from_bytes(octets, "big", signed=self.low is None)


@dataclass(frozen=True, slots=True)
class String:
    """A string (X.691 §16, 17, 30) of `low` to `high` elements of `width` bits.

    OBJECT IDENTIFIER has the same form (§24).
    """

    width: int
    low: int = 0
    high: int | None = None

    def read(self, cursor: BitCursor) -> Octets | None:
        cursor.step()
        size = self.low if self.low == self.high else cursor.length(self.low, self.high)
        bits = size * self.width
        if bits and self.is_aligned:
            cursor.align()
        start = cursor.pos >> 3
        if bits & 7 or cursor.pos & 7:
            cursor.bits(bits)
            return None
        cursor.octets(bits >> 3)
        return Octets(start, start + (bits >> 3))

    @property
    def is_aligned(self) -> bool:
        """Short strings are not aligned: 16 bits if the size is fixed, less if it varies."""
        if self.high is None:
            return True
        bits = self.high * self.width
        return bits > 16 or (bits == 16 and self.low != self.high)


@dataclass(frozen=True, slots=True)
class Optional:
    """A component that may be absent: OPTIONAL or DEFAULT."""

    kind: Type

    def read(self, cursor: BitCursor) -> Any:
        return self.kind.read(cursor)


@dataclass(frozen=True, slots=True)
class ListOf:
    """SEQUENCE OF (X.691 §20)."""

    kind: Type
    low: int = 0
    high: int | None = None

    def read(self, cursor: BitCursor) -> list[Any]:
        cursor.step()
        size = self.low if self.low == self.high else cursor.length(self.low, self.high)
        with cursor.nested():
            return [self.kind.read(cursor) for _ in range(size)]


@dataclass(frozen=True, slots=True)
class Sequence:
    """SEQUENCE (X.691 §19). `additions`: the extension additions that are known, None: not extensible."""

    components: dict[str, Type]
    additions: dict[str, Type] | None = None
    optional: int = field(init=False)  #: number of components that may be absent

    def __post_init__(self) -> None:
        optional = sum(isinstance(kind, Optional) for kind in self.components.values())
        object.__setattr__(self, "optional", optional)

    def extensible(self, **additions: Type) -> Sequence:
        """Return the same type with an extension marker."""
        return replace(self, additions=additions)

    def read(self, cursor: BitCursor) -> dict[str, Any]:
        cursor.step()
        extended = self.additions is not None and cursor.bits(1)
        present = cursor.bits(self.optional)
        bit = 1 << self.optional
        value = {}
        with cursor.nested():
            for name, kind in self.components.items():
                if isinstance(kind, Optional):
                    bit >>= 1
                    if not present & bit:
                        continue
                value[name] = kind.read(cursor)
            if extended:
                self._read_additions(cursor, value)
        return value

    def _read_additions(self, cursor: BitCursor, value: dict[str, Any]) -> None:
        size = cursor.small() + 1
        if size > MAX_EXTENSIONS:
            raise ParseError(f"{size} extensions")
        present = cursor.bits(size)
        table = list((self.additions or {}).items())
        for index in range(size):
            if not present >> (size - 1 - index) & 1:
                continue
            name, kind = table[index] if index < len(table) else ("", UNREAD)
            with cursor.open_type():
                if kind is not UNREAD:
                    value[name] = kind.read(cursor)


@dataclass(frozen=True, slots=True)
class Choice:
    """CHOICE (X.691 §23). `additions` as in `Sequence`."""

    alternatives: dict[str, Type]
    additions: dict[str, Type] | None = None

    def extensible(self, **additions: Type) -> Choice:
        """Return the same type with an extension marker."""
        return replace(self, additions=additions)

    def read(self, cursor: BitCursor) -> tuple[str, Any]:
        cursor.step()
        if self.additions is not None and cursor.bits(1):
            return self._read_addition(cursor, self.additions)
        index = cursor.number(0, len(self.alternatives) - 1)
        name, kind = list(self.alternatives.items())[index]
        with cursor.nested():
            return name, kind.read(cursor)

    def _read_addition(self, cursor: BitCursor, additions: dict[str, Type]) -> tuple[str, Any]:
        index = cursor.small()
        table = list(additions.items())
        name, kind = table[index] if index < len(table) else ("", UNREAD)
        with cursor.open_type():
            return name, kind.read(cursor)


UNREAD = Unread()
NULL = Null()
BOOLEAN = Integer(0, 1)
OBJECT_IDENTIFIER = String(8)


def integer(low: int | None = None, high: int | None = None) -> Integer:
    """INTEGER (low..high)."""
    return Integer(low, high)


def octets(low: int = 0, high: int | None = None) -> String:
    """OCTET STRING of any size; with one argument of that size, with two of that range."""
    return String(8, low, high if high is not None or not low else low)


def bits(low: int = 0, high: int | None = None) -> String:
    """BIT STRING, sizes as in `octets`."""
    return String(1, low, high if high is not None or not low else low)


def characters(width: int, low: int = 0, high: int | None = None) -> String:
    """A character string with a known number of bits for each character."""
    return String(width, low, high)


def optional(kind: Type) -> Optional:
    """A component that is OPTIONAL or has a DEFAULT."""
    return Optional(kind)


def list_of(kind: Type, low: int = 0, high: int | None = None) -> ListOf:
    """SEQUENCE (SIZE (low..high)) OF kind."""
    return ListOf(kind, low, high)


def sequence(**components: Type) -> Sequence:
    """SEQUENCE of these components."""
    return Sequence(components)


def choice(**alternatives: Type) -> Choice:
    """CHOICE of these alternatives."""
    return Choice(alternatives)
