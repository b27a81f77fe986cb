"""Requests of SLP, versions 1 and 2."""

from __future__ import annotations

from struct import pack

import pytest
from fwhelpers_plugins.discovery.validators.slp import MAX_EXTENSIONS, check
from hypothesis import given
from validator_fuzz import damaged, outcome

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query


def string(text: bytes) -> bytes:
    return pack("!H", len(text)) + text


def message(
    function: int, body: bytes, extensions: int = 0, *, language: bytes = b"en", version: int = 2
) -> bytes:
    """`extensions`: how many bytes at the end of the body are extensions."""
    size = 14 + len(language) + len(body)
    first = size - extensions if extensions else 0
    head = (
        bytes([version, function]) + size.to_bytes(3, "big") + b"\x20\0" + first.to_bytes(3, "big")
    )
    return head + b"\0\7" + string(language) + body


RQST = b"".join(map(string, [b"", b"service:printer", b"DEFAULT", b"", b""]))
SEARCH = message(1, RQST)


@given(damaged(SEARCH))
def test_fuzz(data: bytes) -> None:
    outcome(check, data)


@pytest.mark.parametrize(
    ("function", "body", "expected"),
    [
        (1, RQST, "SrvRqst service:printer"),
        (6, RQST, "AttrRqst service:printer"),
        (9, string(b"") + string(b"IANA") + string(b"DEFAULT"), "SrvTypeRqst IANA"),
        (9, string(b"") + b"\xff\xff" + string(b"DEFAULT"), "SrvTypeRqst *"),
    ],
)
def test_requests(function: int, body: bytes, expected: str) -> None:
    assert check(message(function, body), 40000) == Query(None, None, expected)


@pytest.mark.parametrize("function", [2, 3, 4, 5, 7, 8, 10, 11])
def test_replies_and_advertisements_have_no_answers(function: int) -> None:
    assert check(message(function, b"\0\0"), 427) is None


def version1(function: int, *strings: bytes, language: bytes = b"en") -> bytes:
    body = b"".join(map(string, strings))
    return pack("!BBHH2sHH", 1, function, 12 + len(body), 0, language, 3, 7) + body


#: the request of HPLIP
HPLIP = version1(6, b"", b"service:x-hpnp-discover:", b"", b"")


@given(damaged(HPLIP))
def test_fuzz_version_1(data: bytes) -> None:
    outcome(check, data)


@pytest.mark.parametrize(
    ("data", "summary"),
    [
        (HPLIP, "AttrRqst service:x-hpnp-discover:"),
        (version1(1, b"", b"service:printer//"), "SrvRqst service:printer//"),
        (version1(9, b"", b"", b""), "SrvTypeRqst "),
    ],
)
def test_requests_of_version_1(data: bytes, summary: str) -> None:
    assert check(data, 40000) == Query(summary=summary)


def test_replies_of_version_1_have_no_answers() -> None:
    assert check(version1(7, b"x"), 427) is None


@pytest.mark.parametrize(
    "data",
    [
        HPLIP[:-1],
        HPLIP + b"\0",
        version1(6, b"", b"x", b""),
        version1(6, b"", b"x", b"", b"", b""),
        version1(1, b"", b"x", language=b"\0\0"),
        version1(12, b"", b"x"),
    ],
)
def test_not_slp_version_1(data: bytes) -> None:
    with pytest.raises(ParseError):
        check(data, 40000)


def test_extensions() -> None:
    assert check(message(1, RQST + b"\0\2\0\0\0data", 9), 40000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SEARCH[:-1],
        SEARCH + b"\0",
        message(1, RQST, version=3),
        message(0, RQST),
        message(12, RQST),
        message(1, RQST + b"\0"),
        message(1, RQST[:-1]),
        message(9, RQST),
        message(1, RQST, language=b""),
        message(1, RQST + b"\0\2\0\0\1data", 9),
        message(1, RQST, 3),
        message(1, RQST + b"\0\2\xff\xff\xff", 5),
        message(1, RQST + b"\0\2\0", 3),
    ],
)
def test_not_slp(data: bytes) -> None:
    with pytest.raises(ParseError):
        check(data, 40000)


def test_a_chain_of_extensions_is_bounded() -> None:
    start, count = 16 + len(RQST), MAX_EXTENSIONS + 1
    chain = b"".join(b"\0\2" + (start + 5 * (n + 1)).to_bytes(3, "big") for n in range(count))
    with pytest.raises(ParseError):
        check(message(1, RQST + chain + b"\0\2\0\0\0", 5 * count + 5), 40000)
