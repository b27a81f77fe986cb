from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import ParseError
from fwhelpers.sansio.bits import MAX_DEPTH, MAX_VALUES, BitCursor


def test_fields_and_alignment() -> None:
    cursor = BitCursor(b"\xa5\x80\x12\x34")
    assert [cursor.bits(1), cursor.bits(3), cursor.bits(5)] == [1, 2, 11]
    cursor.align()
    assert cursor.bits(16) == 0x1234
    cursor.align()
    assert cursor.bits(0) == 0


@pytest.mark.parametrize("size", [9, 1000, 2**40])
def test_bits_that_are_not_there(size: int) -> None:
    with pytest.raises(ParseError):
        BitCursor(b"\0").bits(size)


def test_nothing_is_read_behind_the_end() -> None:
    cursor = BitCursor(b"\1\2\3", 1, 2)
    assert cursor.bits(8) == 2
    with pytest.raises(ParseError):
        cursor.bits(1)
    with pytest.raises(ParseError):
        cursor.octets(1)


@pytest.mark.parametrize(
    ("data", "low", "high", "value"),
    [
        (b"", 5, 5, 5),
        (b"\xc0", 0, 2, None),  # three values take two bits
        (b"\x80", 0, 2, 2),
        (b"\x07", 0, 255, 7),
        (b"\x01\x00", 0, 256, 256),
        (b"\x01\x01", 0, 256, None),
        (b"\x00\x05", 1, 65536, 6),
        (b"\x40\x01\x00", 0, 2**32 - 1, 256),  # the size first
        (b"\xc0\xff\xff\xff\xff", 1, 2**32 - 1, None),
    ],
)
def test_constrained_numbers(data: bytes, low: int, high: int, value: int | None) -> None:
    """X.691 §11.5."""
    if value is None:
        with pytest.raises(ParseError):
            BitCursor(data).number(low, high)
    else:
        assert BitCursor(data).number(low, high) == value


@pytest.mark.parametrize(
    ("data", "size"), [(b"\5", 5), (b"\x81\0", 256), (b"\xbf\xff", 16383), (b"\xc1", None)]
)
def test_lengths(data: bytes, size: int | None) -> None:
    """X.691 §11.9; fragments are for values of 16 K and more."""
    if size is None:
        with pytest.raises(ParseError):
            BitCursor(data).length()
    else:
        assert BitCursor(data).length() == size


def test_a_length_below_the_least() -> None:
    with pytest.raises(ParseError):
        BitCursor(b"\0").length(1)


def test_small_numbers() -> None:
    assert BitCursor(b"\x7e").small() == 63
    assert BitCursor(b"\x80\1\x40").small() == 64


def test_an_open_type_ends_where_its_length_says() -> None:
    cursor = BitCursor(b"\2\x11\x22\x33")
    with cursor.open_type():
        assert cursor.bits(4) == 1
    assert cursor.bits(8) == 0x33


def test_an_open_type_can_t_be_left() -> None:
    cursor = BitCursor(b"\1\x11\x22")
    with pytest.raises(ParseError), cursor.open_type():
        cursor.bits(9)


def test_too_many_values_and_levels() -> None:
    cursor = BitCursor(b"")
    for _ in range(MAX_VALUES):
        cursor.step()
    with pytest.raises(ParseError):
        cursor.step()

    def descend(depth: int) -> int:
        with cursor.nested():
            return descend(depth + 1) if depth < 2 * MAX_DEPTH else depth

    with pytest.raises(ParseError):
        descend(1)


@given(st.binary(max_size=20), st.lists(st.integers(0, 70), max_size=10))
def test_only_parse_errors(data: bytes, sizes: list[int]) -> None:
    cursor = BitCursor(data)
    try:
        for size in sizes:
            cursor.bits(size)
            cursor.length(0, size)
            cursor.number(0, 2**size)
            cursor.small()
    except ParseError:
        pass
    assert cursor.pos <= 8 * len(data) + 7
