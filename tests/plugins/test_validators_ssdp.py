"""Searches for UPnP devices."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.discovery.validators.ssdp import MAX_HEADERS, MAX_SIZE, check
from hypothesis import given
from validator_fuzz import damaged, outcome

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query

SEARCH = (
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
    b'MAN: "ssdp:discover"\r\nMX: 3\r\nST: upnp:rootdevice\r\n\r\n'
)


@given(damaged(SEARCH))
def test_fuzz(data: bytes) -> None:
    outcome(check, data)


def test_a_search() -> None:
    assert check(SEARCH, 40000) == Query(8, None, "M-SEARCH upnp:rootdevice")


@pytest.mark.parametrize(("mx", "window"), [(0, 5), (1, 6), (5, 10), (25, 30), (26, 30), (121, 30)])
def test_the_window(mx: int, window: int) -> None:
    query = check(SEARCH.replace(b"MX: 3", b"MX: %d" % mx), 40000)
    assert query
    assert query.window == window


@pytest.mark.parametrize(
    "data",
    [
        SEARCH.replace(b"MAN", b"man").replace(b"MX", b"Mx").replace(b"ST:", b"st:"),
        SEARCH.replace(b": ", b":"),
        SEARCH.replace(b": ", b": \t "),
        SEARCH.replace(b"\r\n", b"\n"),
        SEARCH[:-2],
        SEARCH + b"\0",
        SEARCH.replace(b'"', b""),
        SEARCH.replace(b'"', b"'"),
        SEARCH.replace(b'MAN: "ssdp:discover"\r\n', b""),
        SEARCH.replace(b"1.1\r", b"1.0\r"),
        SEARCH.replace(b"1.1\r", b"1.1 \r"),
        SEARCH.replace(b"\r\n", b"\n")[:-2],
        SEARCH.replace(b"discover", b"Discover"),
    ],
)
def test_accepted_spellings(data: bytes) -> None:
    assert check(data, 40000) == Query(8, None, "M-SEARCH upnp:rootdevice")


@pytest.mark.parametrize("first", [b"NOTIFY * HTTP/1.1", b"HTTP/1.1 200 OK", b"HTTP/1.0 200"])
def test_messages_without_answers(first: bytes) -> None:
    assert check(first + b"\r\nNT: x\r\n\r\n", 1900) is None


@pytest.mark.parametrize("mx", [b"", b"MX:\r\n", b"MX: +3\r\n", b"MX: 1000\r\n", b"MX: 2.5\r\n"])
def test_without_a_usable_mx_the_row_decides(mx: bytes) -> None:
    query = check(SEARCH.replace(b"MX: 3\r\n", mx), 40000)
    assert query == Query(None, None, "M-SEARCH upnp:rootdevice")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        SEARCH.replace(b"M-SEARCH", b"m-search"),
        SEARCH.replace(b"1.1", b"2.0"),
        SEARCH.replace(b"discover", b"x"),
        SEARCH.replace(b"*", b"/"),
        SEARCH.replace(b"MAN", b"MAN: x\r\nMAN"),
        SEARCH.replace(b"ST", b"XX"),
        SEARCH.replace(b"MX: 3", b"MX: 3\r\nmx: 4"),
        SEARCH.replace(b"MX:", b"MX :"),
        b" " + SEARCH,
        SEARCH[:-2] + b"A: b\r\n" * MAX_HEADERS,
        SEARCH + b" " * MAX_SIZE,
    ],
)
def test_not_ssdp(data: bytes) -> None:
    with pytest.raises(ParseError):
        check(data, 40000)
