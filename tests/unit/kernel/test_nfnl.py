from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.kernel import nfnl
from fwhelpers.kernel.nla import DecodeError


def test_request_layout() -> None:
    message = nfnl.message(nfnl.CTHELPER, 1, nfnl.DUMP, b"", family=2, res_id=1000, seq=7)
    assert (
        message.hex()
        == "14000000" + "0109" + "0103" + "07000000" + "00000000" + "02" + "00" + "03e8"
    )


def test_split_takes_several() -> None:
    two = nfnl.message(1, 0, 0, b"abcd") + nfnl.message(2, 2, 0, b"", res_id=9)
    first, second = nfnl.split(two)
    assert (first.subsystem, first.kind, bytes(first.payload)) == (1, 0, b"abcd")
    assert (second.subsystem, second.kind, second.res_id) == (2, 2, 9)


def test_error_message() -> None:
    body = struct.pack("=i", -17) + bytes(16)
    (message,) = nfnl.split(struct.pack("=IHHII", 16 + len(body), nfnl.ERROR, 0, 0, 0) + body)
    assert nfnl.error_of(message) == 17


def test_error_names_what_was_asked() -> None:
    error = nfnl.NetlinkError(16, "take queue 1000")
    assert str(error) == "take queue 1000: Device or resource busy"
    assert error.errno == 16


def test_lying_length() -> None:
    with pytest.raises(DecodeError):
        list(nfnl.split(struct.pack("=IHHII", 99, 1, 0, 0, 0)))


@given(st.binary(max_size=100))
def test_garbage(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        for message in nfnl.split(data):
            nfnl.error_of(message)
