"""HTTP/1.1 in a byte stream: parses the heads of messages and skips their bodies (RFC 9112).

    start line CRLF   name: value CRLF …   CRLF   body

The length of a body must be known exactly: otherwise bytes of the body could be taken for the next message (§11.2).
Anything ambiguous is a ParseError. Only the current head is stored, of at most MAX_HEAD bytes.
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
MAX_HEAD = 32768
MAX_BODY = 2**62
_MAX_EMPTY = 4  #: empty lines before a start line, which §2.2 says to ignore

# §5.1: no white space between the name and the colon. The value is stripped by hand: a pattern that also matches the
# blanks behind it takes quadratic time
_NAME = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):")
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?", re.DOTALL)
_BLANKS = b" \t"

#: what the grammar asks for next: a line, all bytes until the end of the connection, or a number of bytes
_LINE, _REST = 0, -1


class Field(NamedTuple):
    """A header field: the name in upper case, the value and its offset in the stream."""

    name: bytes
    value: bytes
    offset: int


class Line(NamedTuple):
    """A line without its line end, and its offset in the stream."""

    text: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Head:
    """A message without its body."""

    start: bytes  #: the start line
    fields: tuple[Field, ...]

    def field(self, name: bytes) -> Field | None:
        """Return the field of this name (in upper case), None if there is none.

        Raises ParseError if the field is repeated.
        """
        fields = [field for field in self.fields if field.name == name]
        if len(fields) > 1:
            raise ParseError(f"repeated header field {name.decode()}")
        return fields[0] if fields else None


def parse_field(line: Line) -> Field | None:
    """Parse a header line; None if it has no valid name."""
    match = _NAME.match(line.text)
    if not match:
        return None
    text = line.text[match.end() :]
    value = text.lstrip(_BLANKS)
    offset = line.offset + match.end() + len(text) - len(value)
    return Field(match[1].upper(), value.rstrip(_BLANKS), offset)


Grammar = Generator[int, Line, None]


class HeadReader:
    """Parser of one direction. Calls `on_head` with each head; it returns whether a body may follow.

    `until_close`: a body without a length extends to the end of the connection (responses, §6.3). In requests a body
    without a length is empty.
    """

    def __init__(self, on_head: Callable[[Head], bool], *, until_close: bool) -> None:
        self.body_bytes = 0  #: bytes of bodies so far
        self.between = True  #: whether the stream stands between two messages
        self._on_head = on_head
        self._until_close = until_close
        self._position = 0
        self._partial_line = bytearray()
        self._head_bytes = 0  # of its complete lines
        self._grammar = self._messages()
        self._expected = next(self._grammar)

    @property
    def buffered(self) -> int:
        """Number of bytes of the current head."""
        return self._head_bytes + len(self._partial_line)

    def feed(self, data: bytes) -> Generator[None, None, None]:
        """Take bytes; yields after each line and each piece of a body. Raises ParseError."""
        position = 0
        while position < len(data):
            if self._expected == _LINE:
                position += self._feed_line(data, position)
            else:
                position += self._skip_body(len(data) - position)
            yield

    def _feed_line(self, data: bytes, position: int) -> int:
        end = data.find(b"\n", position)
        piece = data[position:] if end < 0 else data[position : end + 1]
        self._partial_line += piece
        if len(self._partial_line) > MAX_LINE:
            raise ParseError(f"a line of more than {MAX_LINE} bytes")
        if self.buffered > MAX_HEAD:
            raise ParseError(f"a head of more than {MAX_HEAD} bytes")
        self.between = False
        if end >= 0:
            line = bytes(self._partial_line)
            self._partial_line.clear()
            start, self._position = self._position, self._position + len(line)
            # §2.2: a lone LF may end a line too
            text = line.removesuffix(b"\n").removesuffix(b"\r")
            self._expected = self._grammar.send(Line(text, start))
        return len(piece)

    def _skip_body(self, available: int) -> int:
        size = available if self._expected == _REST else min(self._expected, available)
        self._position += size
        self.body_bytes += size
        if self._expected != _REST:
            self._expected -= size
            if not self._expected:
                self._expected = self._grammar.send(Line(b"", self._position))
        return size

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
        self._head_bytes = len(start.text)
        fields: list[Field] = []
        while (line := (yield _LINE)).text:
            field = parse_field(line)
            if not field or len(fields) >= MAX_FIELDS:
                raise ParseError(f"not a header field: {line.text[:32]!r}")
            fields.append(field)
            self._head_bytes += len(line.text)
        self._head_bytes = 0
        return Head(start.text, tuple(fields))

    def _body(self, head: Head) -> Grammar:
        coding, length = head.field(b"TRANSFER-ENCODING"), head.field(b"CONTENT-LENGTH")
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
        elif self._until_close:
            yield _REST

    def _chunks(self) -> Grammar:
        while True:
            line = yield _LINE
            match = _CHUNK.fullmatch(line.text)
            if not match:
                raise ParseError(f"not a chunk size: {line.text[:32]!r}")
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
