"""Who-Is and Who-Has of BACnet/IP."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.discovery.validators.bacnet import check
from hypothesis import given
from validator_fuzz import damaged, outcome

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query

WHO_IS = b"\x10\x08"
EVERYWHERE = b"\1\x20\xff\xff\0\xff"


def message(function: int, npdu: bytes, kind: int = 0x81) -> bytes:
    address = b"\1\2\3" if kind == 0x82 else b""
    size = 4 + len(address) + len(npdu)
    return bytes((kind, function)) + size.to_bytes(2, "big") + address + npdu


@given(damaged(message(0x0B, EVERYWHERE + WHO_IS)))
def test_fuzz(data: bytes) -> None:
    outcome(check, data)


@pytest.mark.parametrize(
    "data",
    [
        message(0x0B, EVERYWHERE + WHO_IS),
        message(0x0A, EVERYWHERE + WHO_IS),
        message(0x09, EVERYWHERE + WHO_IS),
        message(0x0B, b"\1\0" + WHO_IS),
        message(0x0B, b"\1\x23\0\5\0\x10" + WHO_IS),
        message(0x0B, b"\1\x28\xff\xff\0\0\7\1\x42\xff" + WHO_IS + b"\x09\1\x19\2"),
        message(2, EVERYWHERE + WHO_IS, 0x82),
    ],
)
def test_who_is(data: bytes) -> None:
    assert check(data, 47808) == Query(summary="BACnet Who-Is")


def test_who_has() -> None:
    assert check(message(0x0B, b"\1\0\x10\7"), 47808) == Query(summary="BACnet Who-Has")


@pytest.mark.parametrize(
    "data",
    [
        message(0x04, EVERYWHERE + WHO_IS),
        message(0x05, b"\0\x3c"),
        message(0x0B, b"\1\x80\0"),
        message(0x0B, EVERYWHERE + b"\x10\0\xc4"),
        message(0x0A, b"\1\4\0\5\1\x0c"),
        message(1, EVERYWHERE + WHO_IS, 0x82),
    ],
)
def test_messages_without_answers(data: bytes) -> None:
    assert check(data, 47808) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81\x0b\0\x08\1\0\x10",
        message(0x0B, b"\2\0" + WHO_IS),
        message(0x0B, b"\1\0" + WHO_IS)[:-1],
        message(0x0B, b"\1\x20\0\5\x40\0" + WHO_IS),
        message(0x0B, b"\1\0" + WHO_IS, 0x83),
    ],
)
def test_not_bacnet(data: bytes) -> None:
    with pytest.raises(ParseError):
        check(data, 47808)
