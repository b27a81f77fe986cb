"""Broadcasts of the NetBIOS name service."""

from __future__ import annotations

from struct import pack

import pytest
from fwhelpers_plugins.discovery.validators.netbios import MAX_SIZE, check
from hypothesis import given
from validator_fuzz import damaged, outcome

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query


def encoded(name: bytes) -> bytes:
    return b"\x20" + bytes(half + 0x41 for byte in name for half in (byte >> 4, byte & 15)) + b"\0"


NAME = encoded(b"WORKGROUP".ljust(15) + b"\x1b")


def message(
    flags: int = 0x0110, name: bytes = NAME, kind: int = 0x20, klass: int = 1, count: int = 1
) -> bytes:
    return pack("!HHHHHH", 7, flags, count, 0, 0, 0) + name + pack("!HH", kind, klass)


@given(damaged(message()))
def test_fuzz(data: bytes) -> None:
    outcome(check, data, 137)


@pytest.mark.parametrize(
    ("opcode", "name"),
    [(0, "query"), (5, "registration"), (6, "release"), (8, "refresh"), (9, "refresh")],
)
def test_requests(opcode: int, name: str) -> None:
    expected = Query(None, None, f"NetBIOS {name} WORKGROUP<1b>")
    assert check(message(opcode << 11 | 0x0110), 137) == expected


def test_node_status_of_all_hosts() -> None:
    assert check(message(0x0010, encoded(b"*".ljust(16, b"\0")), 0x21), 40000) == Query(
        None, None, "NetBIOS query *<00>"
    )


def test_a_scope() -> None:
    assert check(message(name=NAME[:-1] + b"\3abc\2de\0"), 137)


@pytest.mark.parametrize("flags", [0x8510, 0x8500, 0x0100])
def test_responses_and_unicast_have_no_answers(flags: int) -> None:
    assert check(message(flags), 137) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(12),
        message(7 << 11 | 0x10),
        message(count=0),
        message(count=2),
        message(kind=1),
        message(klass=2),
        message(name=b"\3abc\0"),
        message(name=NAME.replace(b"F", b"Q")),
        message(name=NAME[:-1] + b"\xc0\x0c"),
        message(name=NAME[:-1] + (b"\x3f" + b"a" * 63) * 4 + b"\0"),
        message()[:-1],
        message() + bytes(MAX_SIZE),
    ],
)
def test_not_netbios(data: bytes) -> None:
    with pytest.raises(ParseError):
        check(data, 137)
