from __future__ import annotations

from collections.abc import Iterator

import pytest

from fwhelpers.api import Endpoint, Event, Expect, Flow, Helper, LineParser, ParseError, Policy

FLOW = Flow("tcp", Endpoint.parse("10.0.1.2", 40000), Endpoint.parse("10.0.2.2", 7))


class Words(LineParser):
    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        at = line.find(b"5000")
        if at >= 0:
            yield Expect(self.flow.client, self.flow.server.at(5000), span=(at, at + 4))


def events(*chunks: bytes) -> list[Event]:
    parser = Words(FLOW, {})
    return [event for chunk in chunks for event in parser.feed(chunk, True)]


def test_endpoint() -> None:
    assert str(Endpoint.parse("fd01::2", 80)) == "[fd01::2]:80"
    assert str(FLOW.server) == "10.0.2.2:7"
    assert (FLOW.server.family, Endpoint.parse("::1").family) == (4, 6)
    for bad in ("10.0.0", "example.org", "::g", ""):
        with pytest.raises(ValueError, match="not an address"):
            Endpoint.parse(bad)


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


def test_names() -> None:
    assert Helper("ftp", "tcp", [21], Words).kernel_name == "fw-ftp"
    assert Helper("rpc", ("tcp", "udp"), [111], Words, [Policy("x")]).kernel_name == "rpc"
