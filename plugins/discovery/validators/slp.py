"""SLP: a user agent asks service and directory agents by multicast; they answer from port 427.

    | version 2 | function | length (3) | flags (2) | first extension (3) | xid (2) | language: length (2), tag | body …

RFC 2608 §8 (header), §8.1 (SrvRqst), §10.1 (SrvTypeRqst), §10.3 (AttrRqst), §9.1 (extensions).
"""

from __future__ import annotations

from fwhelpers.api import ParseError
from fwhelpers.sansio.cursor import Cursor

from .query import Query, shown

VERSION = 2
MAX_EXTENSIONS = 8

#: requests, and how many strings their bodies have
_REQUESTS = {1: ("SrvRqst", 5), 6: ("AttrRqst", 5), 9: ("SrvTypeRqst", 3)}
_OTHERS = frozenset([2, 3, 4, 5, 7, 8, 10, 11])
_ALL_AUTHORITIES = 0xFFFF  #: RFC 2608 §10.1: instead of a length, no string follows


def check(data: bytes, sport: int) -> Query | None:
    """A request; None for replies and advertisements. Raises ParseError for what is no SLP, version 2."""
    message = Cursor(data)
    version, function, length = message.u8(), message.u8(), _u24(message)
    if version != VERSION or length != len(data):
        raise ParseError(f"not SLP: version {version}, length {length} of {len(data)}")
    if function not in _REQUESTS and function not in _OTHERS:
        raise ParseError(f"SLP function {function}")
    message.u16()
    extension = _u24(message)
    message.u16()
    if not message.take(message.u16()):
        raise ParseError("SLP without a language")
    if function in _OTHERS:
        return None
    name, count = _REQUESTS[function]
    strings = [_string(message, function == 9 and at == 1) for at in range(count)]
    _extensions(message, extension)
    return Query(None, None, shown(name, strings[1]))


def _u24(message: Cursor) -> int:
    return message.u8() << 16 | message.u16()


def _string(message: Cursor, authority: bool) -> bytes:
    length = message.u16()
    return b"*" if authority and length == _ALL_AUTHORITIES else message.take(length)


def _extensions(message: Cursor, at: int) -> None:
    """Walk them: each names the next, which stands behind it."""
    if not at:
        message.end()
        return
    lowest = message.pos
    for _ in range(MAX_EXTENSIONS):
        if not lowest <= at < len(message.data):
            raise ParseError(f"SLP extension at {at}")
        extension = Cursor(message.data, at)
        extension.u16()
        at, lowest = _u24(extension), extension.pos
        if not at:
            return
    raise ParseError(f"more than {MAX_EXTENSIONS} SLP extensions")
