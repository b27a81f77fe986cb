"""How SANE's network protocol writes things, read as they come and kept no longer than needed.

    word     4 bytes, big-endian
    string   word: length, its NUL included; characters             length 0: no string
    pointer  word: 0 and the value, or 1 and nothing
    array    word: number of elements; elements

SANE Standard 1.06 §5.1 (types), §5.2 (requests and replies); sanei_wire.c and sanei_net.c of sane-backends where the
standard leaves a question open.

A grammar is a generator that asks for bytes: `yield n` for the next n of them, `yield -n` to have n passed over. Whole
messages are never kept, so that a list of options of any length costs four bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from fwhelpers.api import ParseError

Result = TypeVar("Result")
Reading = Generator[int, bytes, Result]

#: bytes of a string or of an option's value; gamma tables are the largest
MAX_VALUE = 1024 * 1024
MAX_ELEMENTS = 4096  #: devices, options, texts of a list

_WORDS = frozenset({0, 1, 2})  # SANE_TYPE_BOOL, INT, FIXED: SANE Standard §4.2.9
_STRING = 3
_VOID = frozenset({4, 5})  # BUTTON, GROUP
_RANGE, _WORD_LIST, _STRING_LIST = 1, 2, 3  # §4.2.9, constraint types


class Wire:
    """Feeds a grammar with a direction's bytes."""

    def __init__(self, grammar: Reading[None]) -> None:
        self.position = 0  #: of the next byte that the grammar has not had
        self._grammar = grammar
        self._kept = bytearray()
        self._wanted = next(grammar)

    def put(self, data: bytes) -> Generator[None, None, None]:
        """Take bytes; stops after each that the grammar swallowed. Raises ParseError."""
        at = 0
        while at < len(data):
            size = min(abs(self._wanted) - len(self._kept), len(data) - at)
            at = self._skip(size, at) if self._wanted < 0 else self._keep(data, size, at)
            yield

    def _skip(self, size: int, at: int) -> int:
        self.position += size
        self._wanted += size
        if not self._wanted:
            self._wanted = self._grammar.send(b"")
        return at + size

    def _keep(self, data: bytes, size: int, at: int) -> int:
        self._kept += data[at : at + size]
        if len(self._kept) == self._wanted:
            word = bytes(self._kept)
            self._kept.clear()
            self.position += len(word)
            self._wanted = self._grammar.send(word)
        return at + size

    @property
    def between(self) -> bool:
        """True if no part of a number is kept."""
        return not self._kept


def word() -> Reading[int]:
    """A number without sign."""
    return int.from_bytes((yield 4), "big")


def words(count: int) -> Reading[None]:
    """Numbers that do not matter."""
    if count:
        yield -4 * count


def string() -> Reading[int]:
    """A string that does not matter; returns its length."""
    size = yield from word()
    if size > MAX_VALUE:
        raise ParseError(f"a string of {size} bytes")
    if size:
        yield -size
    return size


def array(element: Callable[[], Reading[object]]) -> Reading[None]:
    """An array of what `element` reads."""
    count = yield from word()
    if count > MAX_ELEMENTS:
        raise ParseError(f"an array of {count} elements")
    for _ in range(count):
        yield from element()


def pointer(target: Callable[[], Reading[object]]) -> Reading[None]:
    """A value, or none."""
    null = yield from word()
    if null > 1:
        raise ParseError(f"a pointer can't begin with {null}")
    if not null:
        yield from target()


def device() -> Reading[None]:
    """One of the devices that there are."""
    for _ in ("name", "vendor", "model", "type"):
        yield from string()


def option() -> Reading[None]:
    """The description of an option."""
    for _ in ("name", "title", "description"):
        yield from string()
    yield from words(4)  # type, unit, size, capabilities
    constraint = yield from word()
    if constraint == _RANGE:
        yield from pointer(lambda: words(3))
    elif constraint == _WORD_LIST:
        yield from _plain(4)
    elif constraint == _STRING_LIST:
        yield from array(string)
    elif constraint:
        raise ParseError(f"constraint {constraint} is not known")


def value() -> Reading[None]:
    """An option's value with its type and size."""
    kind = yield from word()
    yield from word()
    if kind in _WORDS:
        yield from _plain(4)
    elif kind == _STRING:
        yield from _plain(1)
    elif kind in _VOID:
        yield from _plain(0)
    else:
        raise ParseError(f"type {kind} is not known")


def _plain(size: int) -> Reading[None]:
    count = yield from word()
    if count > MAX_VALUE:
        raise ParseError(f"a value of {count} elements")
    if count * size:
        yield -count * size
