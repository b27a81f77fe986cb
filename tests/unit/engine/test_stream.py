from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.engine.stream import MAX_EARLY, HalfStream, StreamError

START = 0xFFFFFFF0  # every test crosses the wrap


def stream() -> HalfStream:
    return HalfStream(START)


def test_in_order() -> None:
    half = stream()
    assert half.feed(START, b"abc") == b"abc"
    assert half.feed(START + 3, b"def") == b"def"
    assert half.next == 6
    assert half.next_seq == (START + 6) & 0xFFFFFFFF


def test_bytes_behind_a_gap_wait_until_it_is_filled() -> None:
    half = stream()
    assert half.feed(START + 3, b"def") == b""
    assert not half.complete
    assert half.feed(START, b"abc") == b"abcdef"
    assert half.complete


def test_a_retransmission_returns_new_bytes_only() -> None:
    half = stream()
    half.feed(START, b"abc")
    assert half.feed(START, b"abc") == b""
    assert half.feed(START + 1, b"bcd") == b"d"


@pytest.mark.parametrize("again", [b"aXc", b"Xbcd"])
def test_a_retransmission_with_different_bytes_is_an_error(again: bytes) -> None:
    half = stream()
    half.feed(START, b"abc")
    with pytest.raises(StreamError, match="different bytes"):
        half.feed(START, again)


def test_different_bytes_behind_a_gap_are_an_error() -> None:
    half = stream()
    half.feed(START + 3, b"def")
    with pytest.raises(StreamError, match="different bytes"):
        half.feed(START + 3, b"dXf")


def test_overlap_of_early_segments_is_compared_when_delivered() -> None:
    half = stream()
    half.feed(START + 3, b"defg")
    half.feed(START + 5, b"Xg")
    with pytest.raises(StreamError, match="different bytes"):
        half.feed(START, b"abc")


def test_a_keep_alive_with_a_garbage_byte_is_ignored() -> None:
    half = stream()
    half.feed(START, b"abc")
    assert half.feed(START + 2, b"\0") == b""


def test_memory_behind_a_gap_is_bounded() -> None:
    half = stream()

    def flood() -> None:
        for n in range(1000):
            half.feed(START + 1 + n * 1000, bytes(1000))

    with pytest.raises(StreamError) as caught:
        flood()
    assert caught.value.lost
    assert half.held() <= MAX_EARLY + 1000


def test_skip_continues_behind_a_gap() -> None:
    half = stream()
    half.feed(START, b"abc")
    half.skip(START + 100)
    assert half.feed(START + 100, b"x") == b"x"
    assert half.offset_of((START + 100) & 0xFFFFFFFF) == 3


@given(
    st.binary(min_size=1, max_size=300),
    st.lists(st.tuples(st.integers(0, 299), st.integers(1, 80)), max_size=60),
    st.integers(0, 2**32 - 1),
)
def test_segments_in_any_order_deliver_each_byte_once(
    data: bytes, cuts: list[tuple[int, int]], start: int
) -> None:
    half = HalfStream(start)
    out = b""
    for at, size in cuts:
        if data[at : at + size] and len(half.early) < 30:
            out += half.feed((start + at) & 0xFFFFFFFF, data[at : at + size])
            assert data.startswith(out)
    out += half.feed(start, data)
    assert out == data
