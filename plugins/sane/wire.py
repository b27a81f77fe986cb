"""Types of SANE's network protocol, parsed without buffering whole messages.

    word     4 bytes, big-endian
    string   word: length, its NUL included; characters             length 0: no string
    pointer  word: 0 and the value, or 1 and nothing
    array    word: number of elements; elements

SANE Standard 1.06 §5.1 (types), §5.2 (requests and replies); where the standard is silent, sanei_wire.c and sanei_net.c
of sane-backends.

A grammar is a generator that requests bytes: `yield n` returns the next n, `yield -n` skips n. At most four bytes are
buffered, whatever the length of a message.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

from fwhelpers.api import ParseError

Result = TypeVar("Result")
Reading = Generator[int, bytes, Result]

#: bytes of a string or an option's value; gamma tables are the longest
MAX_VALUE = 1024 * 1024
MAX_ELEMENTS = 4096  #: elements of an array

_WORDS = frozenset({0, 1, 2})  # SANE_TYPE_BOOL, INT, FIXED: SANE Standard §4.2.9
_STRING = 3
_VOID = frozenset({4, 5})  # BUTTON, GROUP
_RANGE, _WORD_LIST, _STRING_LIST = 1, 2, 3  # §4.2.9, constraint types


class Wire:
    """Feeds the bytes of a direction to a grammar."""

    def __init__(self, grammar: Reading[None]) -> None:
        self.position = 0  #: stream offset of the next byte for the grammar
        self._grammar = grammar
        self._kept = bytearray()
        self._requested = next(grammar)

    def feed(self, data: bytes) -> Generator[None, None, None]:
        """Feed bytes; yields after each step of the grammar. Raises ParseError."""
        at = 0
        while at < len(data):
            size = min(abs(self._requested) - len(self._kept), len(data) - at)
            at = self._skip(size, at) if self._requested < 0 else self._keep(data, size, at)
            yield

    def _skip(self, size: int, at: int) -> int:
        self.position += size
        self._requested += size
        if not self._requested:
            self._requested = self._grammar.send(b"")
        return at + size

    def _keep(self, data: bytes, size: int, at: int) -> int:
        self._kept += data[at : at + size]
        if len(self._kept) == self._requested:
            word = bytes(self._kept)
            self._kept.clear()
            self.position += len(word)
            self._requested = self._grammar.send(word)
        return at + size

    @property
    def between(self) -> bool:
        """Return True if no part of a number is buffered."""
        return not self._kept

    @property
    def buffered(self) -> int:
        """Number of buffered bytes."""
        return len(self._kept)


def word() -> Reading[int]:
    """Parse an unsigned number."""
    return int.from_bytes((yield 4), "big")


def words(count: int) -> Reading[None]:
    """Skip numbers."""
    if count:
        yield -4 * count


def string() -> Reading[int]:
    """Skip a string and return its length."""
    size = yield from word()
    if size > MAX_VALUE:
        raise ParseError(f"a string of {size} bytes")
    if size:
        yield -size
    return size


def array(element: Callable[[], Reading[object]]) -> Reading[None]:
    """Parse an array, each element with `element`."""
    count = yield from word()
    if count > MAX_ELEMENTS:
        raise ParseError(f"an array of {count} elements")
    for _ in range(count):
        yield from element()


def pointer(target: Callable[[], Reading[object]]) -> Reading[None]:
    """Parse an optional value with `target`."""
    null = yield from word()
    if null > 1:
        raise ParseError(f"invalid pointer {null}")
    if not null:
        yield from target()


def device() -> Reading[None]:
    """Parse a device of the list."""
    for _ in ("name", "vendor", "model", "type"):
        yield from string()


def option() -> Reading[None]:
    """Parse an option descriptor."""
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
        raise ParseError(f"unknown constraint {constraint}")


def value() -> Reading[None]:
    """Parse the value of an option with its type and size."""
    kind = yield from word()
    yield from word()
    if kind in _WORDS:
        yield from _plain(4)
    elif kind == _STRING:
        yield from _plain(1)
    elif kind in _VOID:
        yield from _plain(0)
    else:
        raise ParseError(f"unknown type {kind}")


def _plain(size: int) -> Reading[None]:
    count = yield from word()
    if count > MAX_VALUE:
        raise ParseError(f"a value of {count} elements")
    if count * size:
        yield -count * size
