"""Endpoints as FTP writes them.

h1,h2,h3,h4,p1,p2           RFC 959 §5.3.2, in PORT and in the reply 227
<d>af<d>address<d>port<d>   RFC 2428 §2, in EPRT; <d> is any printable ASCII character, af 1 is IPv4, 2 is IPv6
"""

from __future__ import annotations

import re

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio import ip6text
from fwhelpers.sansio.digits import decimal

# what parse_six() accepts
_SIX = re.compile(rb" *([0-9]{1,3}) *" + rb", *([0-9]{1,3}) *" * 5)
_FAMILIES = {b"1": 4, b"2": 6}
# RFC 2428 allows them as delimiters, but the end of the address would be ambiguous
_AMBIGUOUS = frozenset(b"0123456789abcdefABCDEF.:")


def parse_six(text: bytes) -> Endpoint:
    """Parse `h1,h2,h3,h4,p1,p2`. Raises ParseError."""
    match = _SIX.fullmatch(text)
    if match is not None:
        a, b, c, d, high, low = map(int, match.groups())
        if a < 256 and b < 256 and c < 256 and d < 256 and high < 256 and low < 256:
            return Endpoint(bytes((a, b, c, d)), high << 8 | low)
    return _parse_any_six(text)


def _parse_any_six(text: bytes) -> Endpoint:
    numbers = text.split(b",")
    if len(numbers) != 6:
        raise ParseError(f"not six numbers: {text[:32]!r}")
    *addr, high, low = (decimal(number.strip(b" "), 255) for number in numbers)
    return Endpoint(bytes(addr), high << 8 | low)


def format_six(end: Endpoint) -> bytes:
    """Format as `h1,h2,h3,h4,p1,p2`."""
    return b"%d,%d,%d,%d,%d,%d" % (*end.addr, end.port >> 8, end.port & 255)


def fit_six(end: Endpoint, size: int) -> bytes | None:
    """Write `h1,h2,h3,h4,p1,p2` with exactly `size` bytes: the last numbers get leading zeros, up to three digits.

    Servers read decimal numbers: sscanf("%u") in proftpd and pure-ftpd, digit by digit in vsftpd.
    """
    numbers = format_six(end).split(b",")
    missing = size - len(b",".join(numbers))
    if missing < 0:
        return None
    for index in reversed(range(6)):
        padded = numbers[index].zfill(min(3, len(numbers[index]) + missing))
        missing -= len(padded) - len(numbers[index])
        numbers[index] = padded
    return None if missing else b",".join(numbers)


def parse_eprt(text: bytes) -> Endpoint:
    """Parse EPRT's argument. Raises ParseError."""
    delimiter = text[:1]
    if not delimiter or not 33 <= delimiter[0] <= 126 or delimiter[0] in _AMBIGUOUS:
        raise ParseError(f"not an EPRT argument: {text[:32]!r}")
    fields = text.split(delimiter)
    if len(fields) != 5 or fields[0] or fields[4] or fields[1] not in _FAMILIES:
        raise ParseError(f"not an EPRT argument: {text[:64]!r}")
    end = Endpoint(parse_host(fields[2]), decimal(fields[3], 65535))
    if end.family != _FAMILIES[fields[1]]:
        raise ParseError("the address is not of the stated family")
    return end


def parse_host(text: bytes) -> bytes:
    """Parse a numeric IPv4 or IPv6 address; return it packed. Raises ParseError."""
    try:
        return Endpoint.parse(text.decode("ascii")).addr
    except ValueError:  # UnicodeDecodeError is one
        raise ParseError(f"not an address: {text[:48]!r}") from None


def format_eprt(end: Endpoint, delimiter: bytes = b"|") -> bytes:
    """Format as EPRT's argument."""
    return _eprt(end, end.host.encode(), delimiter)


def fit_eprt(end: Endpoint, size: int, delimiter: bytes = b"|") -> bytes | None:
    """Format as EPRT's argument for IPv6 with exactly `size` bytes, None if that is impossible.

    The port is not padded: servers differ about leading zeros there, but not about those in an address's groups.
    """
    if end.family != 6:
        return None
    host = ip6text.of_length(end.addr, size - len(_eprt(end, b"", delimiter)))
    return None if host is None else _eprt(end, host, delimiter)


def _eprt(end: Endpoint, host: bytes, delimiter: bytes) -> bytes:
    family = b"1" if end.family == 4 else b"2"
    return delimiter.join([b"", family, host, b"%d" % end.port, b""])
