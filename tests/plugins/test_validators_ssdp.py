"""Searches for UPnP devices."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.discovery.validators.query import Query
from fwhelpers_plugins.discovery.validators.ssdp import MAX_HEADERS, MAX_SIZE, check
from hypothesis import given
from validator_fuzz import damaged, outcome

from fwhelpers.api import ParseError

SEARCH = (
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n"
    b'MAN: "ssdp:discover"\r\nMX: 3\r\nST: upnp:rootdevice\r\n\r\n'
)


@given(damaged(SEARCH))
def test_fuzz(data: bytes) -> None:
    outcome(check, data)


def test_a_search() -> None:
    assert check(SEARCH, 40000) == Query(8, None, "M-SEARCH upnp:rootdevice")


@pytest.mark.parametrize(("mx", "window"), [(1, 6), (5, 10), (25, 30), (26, 30), (120, 30)])
def test_the_window(mx: int, window: int) -> None:
    found = check(SEARCH.replace(b"MX: 3", b"MX: %d" % mx), 40000)
    assert found
    assert found.window == window


@pytest.mark.parametrize(
    "data",
    [SEARCH.replace(b"MAN", b"man").replace(b"MX", b"Mx").replace(b"ST:", b"st:"), SEARCH.replace(b": ", b":"),
     SEARCH.replace(b": ", b": \t "), SEARCH.replace(b"\r\n", b"\n"), SEARCH[:-2], SEARCH + b"\0"],
)  # fmt: skip
def test_ways_to_write_it(data: bytes) -> None:
    assert check(data, 40000) == Query(8, None, "M-SEARCH upnp:rootdevice")


@pytest.mark.parametrize("first", [b"NOTIFY * HTTP/1.1", b"HTTP/1.1 200 OK"])
def test_what_asks_nothing(first: bytes) -> None:
    assert check(first + b"\r\nNT: x\r\n\r\n", 1900) is None


@pytest.mark.parametrize(
    "data",
    [b"", b"GET / HTTP/1.1\r\n\r\n", SEARCH.replace(b"M-SEARCH", b"m-search"), SEARCH.replace(b"1.1", b"1.0"),
     SEARCH.replace(b'"', b""), SEARCH.replace(b"MX: 3\r\n", b""), SEARCH.replace(b"MX: 3", b"MX: 0"),
     SEARCH.replace(b"MX: 3", b"MX: 121"), SEARCH.replace(b"MX: 3", b"MX: +3"), SEARCH.replace(b"ST", b"XX"),
     SEARCH.replace(b"MX: 3", b"MX: 3\r\nmx: 4"), SEARCH.replace(b"MX:", b"MX :"), b" " + SEARCH,
     SEARCH[:-2] + b"A: b\r\n" * MAX_HEADERS, SEARCH + b" " * MAX_SIZE],
)  # fmt: skip
def test_not_ssdp(data: bytes) -> None:
    with pytest.raises(ParseError):
        check(data, 40000)
