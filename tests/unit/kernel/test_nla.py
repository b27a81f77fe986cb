from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.kernel.nla import DecodeError, attr, be16, be32, nest, number, parse, strz, text, u8


def test_layout() -> None:
    # nlattr: length without padding, type, payload, padding (host order: little endian here)
    assert be32(3, 1).hex() == "08000300" + "00000001"
    assert be16(2, 0x1F90).hex() == "06000200" + "1f90" + "0000"
    assert u8(1, 6).hex() == "05000100" + "06" + "000000"
    assert strz(1, "rpc").hex() == "08000100" + "72706300"
    assert nest(2, u8(1, 6)).hex() == "0c000280" + "05000100" + "06000000"


def test_parse_masks_the_nested_flag_and_takes_the_last() -> None:
    parsed = parse(nest(5, u8(1, 7)) + be32(6, 1) + be32(6, 2))
    assert number(parse(parsed[5])[1]) == 7
    assert number(parsed[6]) == 2


def test_text_ends_at_zero() -> None:
    assert text(b"ftp\0garbage") == "ftp"


@pytest.mark.parametrize("bad", ["03000100", "0900010000000000", "ffff0100"])
def test_lying_lengths(bad: str) -> None:
    with pytest.raises(DecodeError):
        parse(bytes.fromhex(bad))


@given(st.lists(st.tuples(st.integers(1, 60), st.binary(max_size=40)), max_size=8))
def test_round_trip(attributes: list[tuple[int, bytes]]) -> None:
    encoded = b"".join(attr(kind, payload) for kind, payload in attributes)
    assert {k: bytes(v) for k, v in parse(encoded).items()} == dict(attributes)


@given(st.binary(max_size=100))
def test_garbage_raises_decode_error_only(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        parse(data)
