"""SSDP: a control point searches for UPnP devices, which answer after a random delay of up to MX seconds.

    M-SEARCH * HTTP/1.1
    HOST: 239.255.255.250:1900
    MAN: "ssdp:discover"
    MX: 3
    ST: upnp:rootdevice

UPnP Device Architecture 2.0 §1.3.2 (request), §1.2 (NOTIFY); RFC 9112 §2.2 (line ends), §5 (header fields).

Searches are read as devices read them: many programs end lines with LF, do not quote MAN, or leave MX out.
"""

from __future__ import annotations

import re

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query
from fwhelpers.sansio.digits import decimal
from fwhelpers.sansio.http1 import Line, parse_field

from .text import printable

MAX_SIZE = 4096
MAX_HEADERS = 32
MAX_WINDOW = 30
DELIVERY = 5  #: seconds beyond MX
HIGHEST_MX = 999

_SEARCH = re.compile(rb"M-SEARCH +\* +HTTP/1\.[01] *")
_NOTIFY = re.compile(rb"NOTIFY +\* +HTTP/1\.[01] *")
_RESPONSE = re.compile(rb"HTTP/1\.[01] 200(?: .*)?", re.DOTALL)
_MAN = frozenset(
    [b"ssdp:discover", b""]
)  # devices do not look at it: without MAN it is a search as well
_ALIVE = frozenset([b"ssdp:alive", b"ssdp:update", b"ssdp:byebye"])
_SINGLE = frozenset([b"MAN", b"MX", b"ST", b"LOCATION", b"NTS"])


def check(data: bytes, sport: int) -> Query | None:
    """Accept searches; None for announcements and responses. Raises ParseError if it is not SSDP."""
    start, lines = _split(data)
    if _NOTIFY.fullmatch(start) or _RESPONSE.fullmatch(start):
        return None
    if not _SEARCH.fullmatch(start):
        raise ParseError(f"not SSDP: {start[:32]!r}")
    headers = _headers(lines)
    if headers.get(b"MAN", b"").strip(b"\"' \t").lower() not in _MAN:
        raise ParseError(f"M-SEARCH with MAN {headers[b'MAN'][:32]!r}")
    if not headers.get(b"ST"):
        raise ParseError("M-SEARCH without ST")
    return Query(_window(headers.get(b"MX", b"")), summary=printable("M-SEARCH", headers[b"ST"]))


def response(data: bytes) -> dict[bytes, bytes] | None:
    """Return the headers of an answer to a search, §1.3.3; None without LOCATION. Raises ParseError."""
    start, lines = _split(data)
    if not _RESPONSE.fullmatch(start):
        raise ParseError(f"no answer to a search: {start[:32]!r}")
    headers = _headers(lines)
    return headers if {b"LOCATION", b"ST", b"USN"} <= headers.keys() else None


def announcement(data: bytes) -> dict[bytes, bytes] | None:
    """Return the headers of a device's announcement, §1.2; None without LOCATION. Raises ParseError."""
    start, lines = _split(data)
    if not _NOTIFY.fullmatch(start):
        raise ParseError(f"no announcement: {start[:32]!r}")
    headers = _headers(lines)
    complete = {b"LOCATION", b"NT", b"USN"} <= headers.keys()
    return headers if complete and headers.get(b"NTS") in _ALIVE else None


def _window(mx: bytes) -> int | None:
    """Seconds during which answers may come; None (the row's window) without a usable MX."""
    try:
        seconds = decimal(mx, HIGHEST_MX)
    except ParseError:
        return None
    return min(seconds + DELIVERY, MAX_WINDOW)


def _split(data: bytes) -> tuple[bytes, list[bytes]]:
    if len(data) > MAX_SIZE:
        raise ParseError(f"{len(data)} bytes, SSDP has at most {MAX_SIZE}")
    # RFC 9112 §2.2: a lone LF may end a line too
    start, *lines = [line.removesuffix(b"\r") for line in data.split(b"\n", MAX_HEADERS + 2)]
    return start, lines


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for line in lines[: MAX_HEADERS + 1]:
        if not line:
            return headers
        field = parse_field(Line(line, 0))
        if not field:
            raise ParseError(f"not a header: {line[:32]!r}")
        if field.name in headers and field.name in _SINGLE:
            raise ParseError(f"duplicate header {field.name.decode()}")
        headers[field.name] = field.value
    if len(lines) > MAX_HEADERS:
        raise ParseError(f"more than {MAX_HEADERS} headers")
    return headers
