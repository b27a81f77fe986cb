from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import ParseError
from fwhelpers.sansio.cursor import Cursor


def test_reads_one_after_the_other() -> None:
    cursor = Cursor(b"\1\0\2\0\0\0\3abcd")
    assert (cursor.u8(), cursor.u16(), cursor.u32()) == (1, 2, 3)
    assert cursor.take(3) == b"abc"
    assert cursor.remaining == 1
    assert cursor.skip(1) == 10
    cursor.end()


@pytest.mark.parametrize("read", ["u8", "u16", "u32"])
def test_a_number_that_is_not_there(read: str) -> None:
    with pytest.raises(ParseError):
        getattr(Cursor(b""), read)()


@pytest.mark.parametrize("size", [-1, 3, 2**40])
def test_a_failed_read_moves_nothing(size: int) -> None:
    cursor = Cursor(b"ab")
    with pytest.raises(ParseError):
        cursor.take(size)
    assert cursor.pos == 0


def test_what_is_left_over_is_an_error() -> None:
    with pytest.raises(ParseError, match="1 bytes too many"):
        Cursor(b"a").end()


@given(st.binary(max_size=20), st.lists(st.integers(-2, 8), max_size=10))
def test_never_beyond_the_end(data: bytes, sizes: list[int]) -> None:
    cursor, taken = Cursor(data), b""
    try:
        for size in sizes:
            taken += cursor.take(size)
    except ParseError:
        pass
    assert data.startswith(taken)
    assert cursor.pos == len(taken)
