"""DHCPv6 messages of clients."""

from __future__ import annotations

from struct import pack

import pytest
from fwhelpers_plugins.discovery.validators.dhcpv6 import MAX_OPTIONS, check
from hypothesis import given
from validator_fuzz import damaged, outcome

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query


def message(kind: int, *codes: int) -> bytes:
    return bytes([kind, 1, 2, 3]) + b"".join(pack("!HH", code, 6) + b"abcdef" for code in codes)


SOLICIT = message(1, 1, 6)


@given(damaged(SOLICIT))
def test_fuzz(data: bytes) -> None:
    outcome(check, data, 546)


@pytest.mark.parametrize(
    ("kind", "window", "name"),
    [
        (1, 120, "SOLICIT"),
        (3, 30, "REQUEST"),
        (4, 4, "CONFIRM"),
        (5, 600, "RENEW"),
        (6, 600, "REBIND"),
        (8, 5, "RELEASE"),
        (9, 5, "DECLINE"),
        (11, 120, "INFORMATION-REQUEST"),
        (14, 10, "LEASEQUERY"),
        (20, 64, "DHCPV4-QUERY"),
        (36, 10, "ADDR-REG-INFORM"),
    ],
)
def test_client_messages(kind: int, window: int, name: str) -> None:
    # conntrackd drops 14 and above, though hosts with SLAAC send 36
    assert check(message(kind, 1, 2, 87), 546) == Query(window, None, name)


@pytest.mark.parametrize("kind", [2, 7, 10, 12, 13, 37])
def test_server_and_relay_messages_have_no_answers(kind: int) -> None:
    assert check(message(kind, 1, 2), 546) is None


def test_messages_from_other_ports_have_no_answers() -> None:
    assert check(SOLICIT, 40000) is None


def test_an_information_request_needs_no_option() -> None:
    assert check(message(11), 546)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1\2\3",
        message(0, 1),
        message(99, 1),
        message(1, 6),
        message(3, 1),
        message(20, 1),
        SOLICIT[:-1],
        SOLICIT + b"\0",
        message(1, *[1] * (MAX_OPTIONS + 1)),
        b"GET / HTTP/1.1",
    ],
)
def test_not_dhcpv6(data: bytes) -> None:
    with pytest.raises(ParseError):
        check(data, 546)
