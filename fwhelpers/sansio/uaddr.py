"""Universal addresses, RFC 5665 §5.2.3.3 and §5.2.3.4: `h1.h2.h3.h4.p1.p2` and `x:x::x.p1.p2`."""

from __future__ import annotations

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio import ip6text
from fwhelpers.sansio.digits import decimal
from fwhelpers.sansio.hostport import parse_host

LONGEST = ip6text.LONGEST + len(".255.255")


def parse(text: bytes) -> Endpoint:
    """Parse a universal address of either family. Raises ParseError."""
    host, *port = text.rsplit(b".", 2)
    if len(port) != 2 or len(text) > LONGEST:
        raise ParseError(f"not a universal address: {text[:64]!r}")
    high, low = (decimal(number, 255) for number in port)
    return Endpoint(parse_host(host), high << 8 | low)


def format_(end: Endpoint) -> bytes:
    """Format as a universal address."""
    return _joined(end.host.encode(), end.port)


def of_length(end: Endpoint, size: int) -> bytes | None:
    """Format with exactly `size` characters, None if that is impossible."""
    text = format_(end)
    if len(text) == size:
        return text
    if end.family == 4:
        return _padded(text, size)
    host = ip6text.of_length(end.addr, size - len(_joined(b"", end.port)))
    return None if host is None else _joined(host, end.port)


def _padded(text: bytes, size: int) -> bytes | None:
    # leading zeros of the port's numbers only: libtirpc and the kernel read those as decimal numbers
    host, high, low = text.rsplit(b".", 2)
    low = low.zfill(min(3, len(low) + max(0, size - len(text))))
    high = high.zfill(min(3, size - len(host) - len(low) - 2))
    text = b"%s.%s.%s" % (host, high, low)
    return text if len(text) == size else None


def _joined(host: bytes, port: int) -> bytes:
    return b"%s.%d.%d" % (host, port >> 8, port & 255)
