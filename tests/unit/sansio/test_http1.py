from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import ParseError
from fwhelpers.sansio.http1 import (
    MAX_FIELDS,
    MAX_HEAD,
    MAX_LINE,
    Head,
    HeadReader,
    Line,
    parse_field,
)

REQUEST = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nGET /\r\nA ;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
)


def heads(*pieces: bytes, until_close: bool = False) -> list[Head]:
    parsed: list[Head] = []

    def on_head(head: Head) -> bool:
        parsed.append(head)
        return True

    reader = HeadReader(on_head, until_close=until_close)
    for piece in pieces:
        for _ in reader.feed(piece):
            pass
    return parsed


def starts(*pieces: bytes, until_close: bool = False) -> list[bytes]:
    return [head.start for head in heads(*pieces, until_close=until_close)]


def test_bodies_are_skipped() -> None:
    assert starts(REQUEST + POST + REQUEST) == [
        b"GET /a HTTP/1.1", b"POST /a HTTP/1.1", b"GET /a HTTP/1.1",
    ]  # fmt: skip
    assert starts(CHUNKED + REQUEST) == [b"HTTP/1.1 200 OK", b"GET /a HTTP/1.1"]


def test_a_response_without_a_length_ends_with_the_connection() -> None:
    response = b"HTTP/1.1 200 OK\r\n\r\n"
    assert starts(response + REQUEST, until_close=True) == [b"HTTP/1.1 200 OK"]
    assert starts(response + REQUEST) == [b"HTTP/1.1 200 OK", b"GET /a HTTP/1.1"]


def test_offsets_of_values() -> None:
    data = POST + b"GET /b HTTP/1.1\nA:  1 \nB:2\n\n"
    head = heads(data)[1]
    assert head.fields[0].name == b"A"
    for field in head.fields:
        assert data[field.offset : field.offset + len(field.value)] == field.value
    assert [field.value for field in head.fields] == [b"1", b"2"]


@given(st.lists(st.sampled_from([REQUEST, POST, CHUNKED, b"\r\n"]), max_size=6), st.integers(1, 40))
def test_segmentation_does_not_matter(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    try:
        whole = heads(data)
    except ParseError:
        with pytest.raises(ParseError):
            heads(*(data[at : at + size] for at in range(0, len(data), size)))
        return
    assert heads(*(data[at : at + size] for at in range(0, len(data), size))) == whole


@given(
    st.lists(st.one_of(st.binary(max_size=80), st.sampled_from([REQUEST, CHUNKED[:60], b"\r\n"]))),
    st.booleans(),
)
def test_fuzz(pieces: list[bytes], until_close: bool) -> None:
    try:
        whole = starts(b"".join(pieces), until_close=until_close)
    except ParseError:
        return
    assert starts(*pieces, until_close=until_close) == whole


@pytest.mark.parametrize(
    ("text", "value", "offset"),
    [
        (b"A:b", b"b", 2),
        (b"A: \t b c\t ", b"b c", 5),
        (b"A:" + b" " * 4000, b"", 4002),
        (b"A:", b"", 2),
    ],
)
def test_field_values_are_stripped(text: bytes, value: bytes, offset: int) -> None:
    field = parse_field(Line(text, 0))
    assert field
    assert (field.name, field.value, field.offset) == (b"A", value, offset)


def lined(*lines: bytes) -> bytes:
    return b"\r\n".join((b"POST / HTTP/1.1", *lines, b"", b""))


@pytest.mark.parametrize(
    "data",
    [
        lined(b"Content-Length: 5", b"Content-Length: 5"),
        lined(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        lined(b"Transfer-Encoding: gzip, chunked"),
        lined(b"Content-Length: +5"),
        lined(b"Content-Length: 0x5"),
        lined(b"Content-Length: 99999999999999999999"),
        lined(b"Name : x"),
        lined(b" folded"),
        lined(b"no colon"),
        lined(*[b"A: b"] * (MAX_FIELDS + 1)),
        b"G" * (MAX_LINE + 1),
        lined(*[b"A: " + bytes(4000)] * (MAX_HEAD // 4000 + 1)),
        lined(b"Transfer-Encoding: chunked") + b"x\r\n",
        lined(b"Transfer-Encoding: chunked") + b"2\r\nabc\r\n",
        lined(b"Transfer-Encoding: chunked") + b"-1\r\n",
        lined(b"Transfer-Encoding: chunked") + b"1000000000000\r\n",
        lined(b"Transfer-Encoding: chunked") + b"0\r\n" + b"A: b\r\n" * (MAX_FIELDS + 1),
    ],
)
def test_ambiguous_or_unbounded_messages(data: bytes) -> None:
    with pytest.raises(ParseError):
        heads(data)


def test_a_repeated_field() -> None:
    (head,) = heads(lined(b"A: 1", b"a: 2"))
    with pytest.raises(ParseError):
        head.field(b"A")
    assert head.field(b"B") is None


def test_the_bytes_of_a_head_are_counted() -> None:
    reader = HeadReader(lambda head: True, until_close=False)
    for data, buffered in (
        (b"GET / HTTP/1.1\r\nA: " + bytes(1000), 1017),
        (b"\r\nB: 2\r\n", 1021),
        (b"Transfer-Encoding: chunked\r\n\r\n", 0),
        (b"4\r\n1234\r\n" * 10_000, 0),
    ):
        for _ in reader.feed(data):
            pass
        assert reader.buffered == buffered


def test_bodies_are_not_stored() -> None:
    reader = HeadReader(lambda head: True, until_close=False)
    for _ in reader.feed(lined(b"Content-Length: 100000000")):
        pass
    piece = bytes(1000)
    tracemalloc.start()
    try:
        for _ in range(1000):
            for _ in reader.feed(piece):
                pass
        assert tracemalloc.get_traced_memory()[1] < 64 * 1024
    finally:
        tracemalloc.stop()
    assert reader.body_bytes == 1_000_000
