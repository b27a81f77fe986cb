from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import ParseError
from fwhelpers.sansio.digits import decimal


@given(st.integers(0, 65535))
def test_numbers(number: int) -> None:
    assert decimal(b"%d" % number, 65535) == number


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"-1",
        b"+1",
        b" 1",
        b"1 ",
        b"1_0",
        b"0x1",
        b"1e1",
        b"256",
        b"0001",
        b"1\n",
        "٣".encode(),
    ],
)
def test_what_is_no_octet(text: bytes) -> None:
    with pytest.raises(ParseError):
        decimal(text, 255)


def test_it_is_never_cut_to_sixteen_bits() -> None:
    # amanda's "499999" became port 40959 elsewhere
    with pytest.raises(ParseError):
        decimal(b"499999", 65535)
    with pytest.raises(ParseError):
        decimal(b"1" * 5000, 65535)


def test_leading_zeros_within_the_digits() -> None:
    assert decimal(b"007", 255) == 7
