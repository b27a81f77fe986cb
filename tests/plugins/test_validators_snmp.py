"""Requests of SNMP."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.discovery.validators.snmp import check
from hypothesis import given
from validator_fuzz import damaged, outcome

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query


def ber(tag: int, *parts: bytes) -> bytes:
    value = b"".join(parts)
    size = len(value)
    length = bytes([size]) if size < 128 else bytes([0x82, size >> 8, size & 255])
    return bytes([tag]) + length + value


ZERO = ber(2, b"\0")
VARIABLES = ber(0x30, ber(0x30, ber(6, b"\x2b\6\1\2\1\1\1\0"), ber(5)))


def pdu(tag: int = 0xA0, variables: bytes = VARIABLES) -> bytes:
    return ber(tag, ber(2, b"\1\2\3\4"), ZERO, ZERO, variables)


def community(version: int = 1, body: bytes = b"", name: bytes = b"public") -> bytes:
    return ber(0x30, ber(2, bytes([version])), ber(4, name), body or pdu())


def three(flags: bytes, scoped: bytes) -> bytes:
    head = ber(0x30, ber(2, b"\7"), ber(2, b"\0\xff\xe3"), ber(4, flags), ber(2, b"\3"))
    return ber(0x30, ber(2, b"\3"), head, ber(4, b"security"), scoped)


SCOPED = ber(0x30, ber(4), ber(4), pdu())


@given(damaged(community()))
def test_fuzz(data: bytes) -> None:
    outcome(check, data)


@given(damaged(three(b"\4", SCOPED)))
def test_fuzz_v3(data: bytes) -> None:
    outcome(check, data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (community(0), "v1 Get"),
        (community(1), "v2c Get"),
        (community(0, pdu(0xA1)), "v1 GetNext"),
        (community(1, pdu(0xA5)), "v2c GetBulk"),
        (community(1, name=b"x" * 300), "v2c Get"),
        (three(b"\4", SCOPED), "v3 Get"),
        (three(b"\7", ber(4, b"secret")), "v3 encrypted"),
    ],
)
def test_requests(data: bytes, expected: str) -> None:
    assert check(data, 40000) == Query(None, None, f"SNMP {expected}")


@pytest.mark.parametrize(
    "data",
    [
        *(community(1, pdu(tag)) for tag in (0xA2, 0xA3, 0xA4, 0xA6, 0xA7, 0xA8)),
        three(b"\0", SCOPED),
        three(b"\3", ber(4, b"secret")),
    ],
)
def test_messages_without_answers(data: bytes) -> None:
    assert check(data, 161) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\xff" + bytes(200),
        community()[:-1],
        community() + b"\0",
        community(2),
        community(0, pdu(0xA5)),
        community(1, pdu(0xA9)),
        community(1, ber(0xA0)),
        community(1, pdu(0xA0, ber(4))),
        community(1, pdu(0xA0, ber(0x30, ber(2, b"\0")))),
        ber(0x30, ber(2), ber(4), pdu()),
        ber(0x30, ber(2, bytes(6)), ber(4), pdu()),
        three(b"", SCOPED),
        three(b"\4", ber(4)),
        three(b"\6", SCOPED),
        ber(0x30, ber(2, b"\1"), ber(4), pdu(), ZERO),
    ],
)
def test_not_snmp(data: bytes) -> None:
    with pytest.raises(ParseError):
        check(data, 40000)
