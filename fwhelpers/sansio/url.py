"""The endpoint of an http URL whose host is an address (RFC 3986 §3.2, RFC 6874 for zones)."""

from __future__ import annotations

import re
from typing import NamedTuple

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio import ip6text
from fwhelpers.sansio.digits import decimal
from fwhelpers.sansio.hostport import parse_host

_PORT = 80  # RFC 9110 §4.2.1
_URL = re.compile(
    rb"http://(?P<authority>(?:\[(?P<six>[0-9a-fA-F]*:[0-9a-fA-F:.]*)(?:%[^\]/ ]*)?\]|(?P<four>[0-9.]+))"
    rb"(?::(?P<port>[0-9]*))?)(?:[/?#]\S*)?",
    re.IGNORECASE,
)


class UrlEndpoint(NamedTuple):
    """The endpoint, and its position in the URL."""

    end: Endpoint
    span: tuple[int, int]


def parse_url(text: bytes) -> UrlEndpoint:
    """Parse an http URL whose host is an address. Raises ParseError for names, other schemes, user names."""
    match = _URL.fullmatch(text)
    if not match:
        raise ParseError(f"no http URL with an address: {text[:48]!r}")
    port = decimal(match["port"], 65535) if match["port"] else _PORT
    return UrlEndpoint(
        Endpoint(parse_host(match["six"] or match["four"]), port), match.span("authority")
    )


def authority(end: Endpoint) -> bytes:
    """Format an endpoint as in a URL."""
    return str(end).encode()


def fit_authority(end: Endpoint, size: int) -> bytes | None:
    """Format an IPv6 endpoint with exactly `size` bytes, None if that is impossible."""
    if end.family != 6:
        return None
    port = b"%d" % end.port
    host = ip6text.of_length(end.addr, size - len(port) - 3)
    return None if host is None else b"[" + host + b"]:" + port
