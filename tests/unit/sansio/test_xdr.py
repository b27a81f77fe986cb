from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import ParseError
from fwhelpers.sansio.xdr import Xdr, string


@given(st.binary(max_size=100))
def test_strings_there_and_back(text: bytes) -> None:
    packed = string(text)
    assert len(packed) % 4 == 0
    message = Xdr(packed)
    assert message.opaque(100) == text
    message.end()


def test_opaque_is_bounded() -> None:
    with pytest.raises(ParseError, match="401 bytes where 400"):
        Xdr(string(bytes(401))).opaque(400)


@pytest.mark.parametrize(
    "data", [b"\0\0\0\5abcd", b"\0\0\0\3abc", b"\xff\xff\xff\xff", b"\0\0\0", b"\0\0\0\1"]
)
def test_cut_short(data: bytes) -> None:
    with pytest.raises(ParseError):
        Xdr(data).opaque(2**32)


def test_flags() -> None:
    message = Xdr(b"\0\0\0\1\0\0\0\0\0\0\0\2")
    assert (message.flag(), message.flag()) == (True, False)
    with pytest.raises(ParseError):
        message.flag()
