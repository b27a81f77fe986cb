"""HTTP/1.1 in a byte stream: the heads of its messages, the bodies passed over (RFC 9112).

    start line CRLF   name: value CRLF …   CRLF   body

How long a body is must be understood exactly, or bytes within it would be taken for the next message (§11.2): what is
ambiguous is a ParseError. Nothing but the head in hand is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple

from fwhelpers.api import ParseError
from fwhelpers.sansio.digits import decimal

MAX_LINE = 4096
MAX_FIELDS = 64
MAX_BODY = 2**62
_MAX_EMPTY = 4  #: empty lines before a start line, which §2.2 wants ignored

# §5.1: no white space between the name and the colon
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?", re.DOTALL)

_LINE, _REST = 0, -1


class Field(NamedTuple):
    """A header field: its name in upper case, its value, where in the stream that begins."""

    name: bytes
    value: bytes
    at: int


@dataclass(frozen=True, slots=True)
class Head:
    """A message up to its body."""

    start: bytes  #: its first line
    fields: tuple[Field, ...]

    def one(self, name: bytes) -> Field | None:
        """The field of this name, given in upper case; None if there is none. Raises ParseError if there are two."""
        found = [field for field in self.fields if field.name == name]
        if len(found) > 1:
            raise ParseError(f"{name.decode()} twice")
        return found[0] if found else None


class Line(NamedTuple):
    """A line without its end, and where in the stream it begins."""

    text: bytes
    at: int


Grammar = Generator[int, Line, None]


class Heads:
    """One direction. `on_head` hears each head and says whether a body may follow it.

    `endless`: a body whose length is not told ends with the connection (responses, §6.3); requests have none then.
    """

    def __init__(self, on_head: Callable[[Head], bool], *, endless: bool) -> None:
        self.passed = 0  #: bytes of bodies so far
        self.between = True  #: between two messages
        self._on_head = on_head
        self._endless = endless
        self._position = 0
        self._kept = bytearray()
        self._grammar = self._messages()
        self._wanted = next(self._grammar)

    def put(self, data: bytes) -> Generator[None, None, None]:
        """Take bytes; stops after each line and each piece of a body. Raises ParseError."""
        at = 0
        while at < len(data):
            at += self._line(data, at) if self._wanted == _LINE else self._pass(len(data) - at)
            yield

    def _line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        piece = data[at:] if end < 0 else data[at : end + 1]
        self._kept += piece
        if len(self._kept) > MAX_LINE:
            raise ParseError(f"a line of more than {MAX_LINE} bytes")
        self.between = False
        if end >= 0:
            line = bytes(self._kept)
            self._kept.clear()
            start, self._position = self._position, self._position + len(line)
            # §2.2: a lone LF may end a line too
            self._next(Line(line.removesuffix(b"\n").removesuffix(b"\r"), start))
        return len(piece)

    def _pass(self, there: int) -> int:
        size = there if self._wanted == _REST else min(self._wanted, there)
        self._position += size
        self.passed += size
        if self._wanted != _REST:
            self._wanted -= size
            if not self._wanted:
                self._next(Line(b"", self._position))
        return size

    def _next(self, line: Line) -> None:
        self._wanted = self._grammar.send(line)

    def _messages(self) -> Grammar:
        while True:
            head = yield from self._head()
            if self._on_head(head):
                yield from self._body(head)
            self.between = True

    def _head(self) -> Generator[int, Line, Head]:
        start = yield _LINE
        for _ in range(_MAX_EMPTY):
            if start.text:
                break
            start = yield _LINE
        fields: list[Field] = []
        while (line := (yield _LINE)).text:
            match = _FIELD.fullmatch(line.text)
            if not match or len(fields) >= MAX_FIELDS:
                raise ParseError(f"not a header field: {line.text[:32]!r}")
            fields.append(Field(match[1].upper(), match[2], line.at + match.start(2)))
        return Head(start.text, tuple(fields))

    def _body(self, head: Head) -> Grammar:
        coding, length = head.one(b"TRANSFER-ENCODING"), head.one(b"CONTENT-LENGTH")
        if coding and length:
            raise ParseError("a body with two lengths")  # §6.3: "ought to be handled as an error"
        if coding:
            if coding.value.lower() != b"chunked":
                raise ParseError(f"transfer coding {coding.value[:32]!r}")
            yield from self._chunks()
        elif length:
            size = decimal(length.value, MAX_BODY)
            if size:
                yield size
        elif self._endless:
            yield _REST

    def _chunks(self) -> Grammar:
        while True:
            line = yield _LINE
            match = _CHUNK.fullmatch(line.text)
            if not match:
                raise ParseError(f"not a chunk's size: {line.text[:32]!r}")
            size = int(match[1], 16)
            if not size:
                break
            yield size
            if (yield _LINE).text:
                raise ParseError("a chunk longer than its size")
        for _ in range(MAX_FIELDS):
            if not (yield _LINE).text:
                return
        raise ParseError(f"more than {MAX_FIELDS} trailer fields")
