"""SSDP: a control point searches for UPnP devices, which answer after a random delay of up to MX seconds.

    M-SEARCH * HTTP/1.1
    HOST: 239.255.255.250:1900
    MAN: "ssdp:discover"
    MX: 3
    ST: upnp:rootdevice

UPnP Device Architecture 2.0 §1.3.2 (request), §1.2 (NOTIFY); RFC 9112 §2.2 (line ends), §5 (header fields).
"""

from __future__ import annotations

import re

from fwhelpers.api import ParseError
from fwhelpers.sansio.digits import decimal

from .query import Query, shown

MAX_SIZE = 4096
MAX_HEADERS = 32
MAX_WINDOW = 30
HIGHEST_MX = 120

_SEARCH, _NOTIFY = b"M-SEARCH * HTTP/1.1", b"NOTIFY * HTTP/1.1"
_OTHERS = frozenset([_NOTIFY, b"HTTP/1.1 200 OK"])
_RESPONSE = re.compile(rb"HTTP/1\.[01] 200(?: .*)?", re.DOTALL)
_ALIVE = frozenset([b"ssdp:alive", b"ssdp:update", b"ssdp:byebye"])
# RFC 9112 §5.1: no white space between the name and the colon
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*)", re.DOTALL)
_ONCE = frozenset([b"MAN", b"MX", b"ST", b"LOCATION", b"NTS"])


def check(data: bytes, sport: int) -> Query | None:
    """A search; None for NOTIFY and for responses. Raises ParseError for what is no SSDP, or a search without MX."""
    first, lines = _split(data)
    if first in _OTHERS:
        return None
    if first != _SEARCH:
        raise ParseError(f"not SSDP: {first[:32]!r}")
    headers = _headers(lines)
    if headers.get(b"MAN") != b'"ssdp:discover"':
        raise ParseError("M-SEARCH without MAN")
    mx = decimal(headers.get(b"MX", b""), HIGHEST_MX)
    if not mx or not headers.get(b"ST"):
        raise ParseError("M-SEARCH without MX or ST")
    return Query(min(mx + 5, MAX_WINDOW), None, shown("M-SEARCH", headers[b"ST"]))


def response(data: bytes) -> dict[bytes, bytes] | None:
    """The headers of an answer to a search, §1.3.3; None for one that names no place. Raises ParseError."""
    first, lines = _split(data)
    if not _RESPONSE.fullmatch(first):
        raise ParseError(f"no answer to a search: {first[:32]!r}")
    headers = _headers(lines)
    return headers if {b"LOCATION", b"ST", b"USN"} <= headers.keys() else None


def announcement(data: bytes) -> dict[bytes, bytes] | None:
    """The headers of what a device announces, §1.2; None where it names no place. Raises ParseError."""
    first, lines = _split(data)
    if first != _NOTIFY:
        raise ParseError(f"no announcement: {first[:32]!r}")
    headers = _headers(lines)
    named = {b"LOCATION", b"NT", b"USN"} <= headers.keys()
    return headers if named and headers.get(b"NTS") in _ALIVE else None


def _split(data: bytes) -> tuple[bytes, list[bytes]]:
    if len(data) > MAX_SIZE:
        raise ParseError(f"{len(data)} bytes, SSDP has at most {MAX_SIZE}")
    # RFC 9112 §2.2: a lone LF may end a line too
    first, *lines = [line.removesuffix(b"\r") for line in data.split(b"\n", MAX_HEADERS + 2)]
    return first, lines


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for line in lines[: MAX_HEADERS + 1]:
        if not line:
            return found
        match = _HEADER.fullmatch(line)
        if not match:
            raise ParseError(f"not a header: {line[:32]!r}")
        name = match[1].upper()
        if name in found and name in _ONCE:
            raise ParseError(f"{name!r} twice")
        found[name] = match[2].rstrip()
    if len(lines) > MAX_HEADERS:
        raise ParseError(f"more than {MAX_HEADERS} headers")
    return found
