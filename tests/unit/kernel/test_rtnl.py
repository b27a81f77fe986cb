from __future__ import annotations

import contextlib
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.kernel.nla import DecodeError, attr
from fwhelpers.kernel.rtnl import Address, encode_addresses, parse_addresses

NET, OWN = bytes([10, 0, 1, 0]), bytes([10, 0, 1, 2])
SIX = b"\xfd\1" + bytes(13) + b"\2"


def message(kind: int, body: bytes) -> bytes:
    return pack("=IHHII", 16 + len(body), kind, 2, 0, 0) + body


def newaddr(family: int, length: int, index: int, *attributes: bytes) -> bytes:
    return message(20, pack("=BBBBI", family, length, 128, 0, index) + b"".join(attributes))


def test_request() -> None:
    assert encode_addresses() == bytes.fromhex(
        "18000000 1600 0103 00000000 00000000 0000000000000000"
    )


def test_addresses_of_both_families() -> None:
    buffer = newaddr(2, 24, 3, attr(1, OWN), attr(2, OWN)) + newaddr(10, 64, 3, attr(1, SIX))
    found, last = parse_addresses(buffer)
    assert found == [Address(3, OWN, OWN, 24), Address(3, SIX, SIX, 64)]
    assert not last


def test_point_to_point_gives_the_other_end() -> None:
    far = bytes([192, 0, 2, 1])
    assert parse_addresses(newaddr(2, 32, 4, attr(1, far), attr(2, OWN)))[0] == [
        Address(4, OWN, far, 32)
    ]


def test_the_end() -> None:
    assert parse_addresses(message(3, bytes(4))) == ([], True)
    assert parse_addresses(message(2, pack("=i", -1) + bytes(16))) == ([], True)


def test_what_makes_no_sense_is_left_out() -> None:
    for one in (
        newaddr(2, 33, 1, attr(1, OWN)),
        newaddr(2, 24, 1, attr(1, SIX)),
        newaddr(7, 24, 1, attr(1, OWN)),
        newaddr(2, 24, 1),
        message(16, bytes(16)),
    ):
        assert parse_addresses(one) == ([], False)


@given(st.binary(max_size=200))
def test_any_bytes(buffer: bytes) -> None:
    with contextlib.suppress(DecodeError):
        parse_addresses(buffer)
    with contextlib.suppress(DecodeError):
        parse_addresses(message(20, buffer))
