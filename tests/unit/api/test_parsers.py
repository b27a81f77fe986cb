from __future__ import annotations

from collections.abc import Iterator

import pytest

from fwhelpers.api import (
    Endpoint,
    Event,
    Expect,
    Flow,
    LineParser,
    ParseError,
    Resize,
    Rewrite,
    StreamParser,
)

FLOW = Flow("tcp", Endpoint.parse("10.0.1.2", 40000), Endpoint.parse("10.0.2.2", 7))


class Words(LineParser):
    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        at = line.find(b"5000")
        if at >= 0:
            yield Expect(self.flow.client, self.flow.server.at(5000), span=(at, at + 4))


def events(*chunks: bytes) -> list[Event]:
    parser = Words(FLOW, {})
    return [event for chunk in chunks for event in parser.feed(chunk, True)]


def test_spans_count_from_the_beginning_of_the_stream() -> None:
    text = b"one\r\ntwo 5000\r\n5000\r\n"
    spans = [e.span for e in events(text) if isinstance(e, Expect)]
    assert spans == [(9, 13), (15, 19)]
    assert [text[a:b] for a, b in filter(None, spans)] == [b"5000", b"5000"]


def test_one_chunk_is_byte_by_byte() -> None:
    text = b"one\r\ntwo 5000\r\n5000\nrest"
    assert events(text) == events(*(text[i : i + 1] for i in range(len(text))))


def test_lines_are_bounded() -> None:
    with pytest.raises(ParseError):
        events(b"x" * 5000)
    with pytest.raises(ParseError):
        events(*[b"x"] * 5000)


def test_boundary() -> None:
    parser = Words(FLOW, {})
    list(parser.feed(b"half", False))
    assert not parser.boundary(False)
    assert parser.boundary(True)


class Texts(StreamParser):
    """A message has eight bytes."""

    def message_size(self, data: bytearray, reply: bool) -> int:
        return 8

    def message(self, data: bytes, reply: bool) -> Iterator[Event]:
        yield Rewrite(self.flow.client, (1, 3), str)  # type: ignore[arg-type]
        yield Resize((3, 4), (4, 8))


def test_spans_of_rewriting_and_lengths_count_from_there_too() -> None:
    rewrite, resize = list(Texts(FLOW, {}).feed(b"x" * 16, False))[2:]
    assert isinstance(rewrite, Rewrite)
    assert isinstance(resize, Resize)
    assert (rewrite.span, resize.span, resize.body) == ((9, 11), (11, 12), (12, 16))
