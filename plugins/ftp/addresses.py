"""The endpoints in 227, 229, PORT and EPRT, and how to replace them.

Where NAT replaces an endpoint, the length of the message should stay: the kernel corrects TCP sequence numbers for one
change at a time only, and for IPv6 not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio.digits import decimal
from fwhelpers.sansio.hostport import (
    fit_eprt,
    fit_six,
    format_eprt,
    format_six,
    parse_eprt,
    parse_six,
)

CODE = 4  #: length of a reply code and the character after it

# RFC 1123 §4.1.2.6: "a User-FTP program that interprets the PASV reply must scan the reply for the first digit"
_SIX = re.compile(rb"(?<![0-9,])[0-9]{1,3}(?: {0,3}, {0,3}[0-9]{1,3}){5}(?! {0,3}[0-9,])")
_PORT = re.compile(rb"\((?P<d>[!-~])(?P=d)(?P=d)(?P<port>[0-9]{1,5})(?P=d)\)")

Encode = Callable[[Endpoint], bytes]
Fit = Callable[[Endpoint, int], bytes | None]


@dataclass(frozen=True, slots=True)
class Announcement:
    """An endpoint in a message, with the span and the functions that replace it."""

    endpoint: Endpoint
    span: tuple[int, int]
    encode: Encode | None  #: None if the endpoint can't be replaced
    fit: Fit | None

    def moved(self, distance: int) -> Announcement:
        """Return the same announcement with its span shifted."""
        return replace(self, span=(self.span[0] + distance, self.span[1] + distance))


def read_227(line: bytes, start: int, server: Endpoint) -> Announcement | None:
    """Read a line of a 227, whose text begins at offset `start`; None if it names no address. Raises ParseError.

    0.0.0.0 stands for the server of the control connection, as all clients read it.
    """
    match = _SIX.search(line, start)
    if match is None:
        return None
    end = parse_six(match[0])
    unspecified = not any(end.addr)
    text = line[start : match.start()]

    def encode(end: Endpoint) -> bytes:
        return text + format_six(Endpoint(bytes(4), end.port) if unspecified else end)

    return Announcement(
        server.at(end.port) if unspecified else end,
        (start, match.end()),
        encode,
        partial(_fit_text, text, encode),
    )


def read_229(line: bytes, start: int, server: Endpoint) -> Announcement | None:
    """Read a line of a 229, whose text begins at offset `start`; None if it names no port. Raises ParseError."""
    match = _PORT.search(line, start)
    if match is None:
        return None
    text = line[start : match.start("port")]

    def encode(end: Endpoint) -> bytes:
        return text + b"%d" % end.port

    return Announcement(
        server.at(decimal(match["port"], 65535)),
        (start, match.end("port")),
        encode,
        partial(_fit_text, text, encode),
    )


def read_port(argument: bytes, start: int) -> Announcement:
    """Read the argument of PORT, which begins at offset `start`. Raises ParseError."""
    span = start, start + len(argument)
    return Announcement(parse_six(argument), span, format_six, fit_six)


def read_eprt(argument: bytes, start: int) -> Announcement:
    """Read the argument of EPRT, which begins at offset `start`. Raises ParseError."""
    span, delimiter = (start, start + len(argument)), argument[:1]
    return Announcement(
        parse_eprt(argument),
        span,
        partial(format_eprt, delimiter=delimiter),
        partial(fit_eprt, delimiter=delimiter),
    )


def read_any_227(line: bytes) -> Endpoint | None:
    """Read the endpoint of a refused 227, for the log."""
    try:
        match = _SIX.search(line, CODE)
        return parse_six(match[0]) if match else None
    except ParseError:
        return None


def _fit_text(text: bytes, encode: Encode, end: Endpoint, size: int) -> bytes | None:
    """Extend or shorten the human-readable text before the endpoint; the last word and its punctuation stay."""
    prose = text[:-1].rfind(b" ") + 1
    rest = encode(end)[prose:]
    missing = size - prose - len(rest)
    if -missing > prose:
        return None
    return text[: prose + min(missing, 0)] + b" " * missing + rest
