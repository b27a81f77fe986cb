"""SLP: a user agent asks service and directory agents by multicast; they answer from port 427.

    | version 2 | function | length (3) | flags (2) | first extension (3) | xid (2) | language: length (2), tag | body …
    | version 1 | function | length (2) | flags | dialect | language (2) | encoding (2) | xid (2) | body …

RFC 2608 §8 (header), §8.1 (SrvRqst), §10.1 (SrvTypeRqst), §10.3 (AttrRqst), §9.1 (extensions). Version 1, RFC 2165 §4,
is the one that HPLIP and older printers speak.
"""

from __future__ import annotations

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query
from fwhelpers.sansio.cursor import Cursor

from .text import printable

MAX_EXTENSIONS = 8

#: requests: name, and the number of strings in the body of version 1 and of version 2
_REQUESTS = {1: ("SrvRqst", 2, 5), 6: ("AttrRqst", 4, 5), 9: ("SrvTypeRqst", 3, 3)}
_OTHERS = frozenset([2, 3, 4, 5, 7, 8, 10, 11])
_TYPE_REQUEST = 9
_ALL_AUTHORITIES = 0xFFFF  #: RFC 2608 §10.1: stands for the length; no string follows


def check(data: bytes, sport: int) -> Query | None:
    """Accept requests; None for replies and advertisements. Raises ParseError if it is not SLP."""
    message = Cursor(data)
    version, function = message.u8(), message.u8()
    if version not in (1, 2):
        raise ParseError(f"SLP version {version}")
    length = message.u16() if version == 1 else _u24(message)
    if length != len(data):
        raise ParseError(f"SLP length {length} in {len(data)} bytes")
    if function not in _REQUESTS and function not in _OTHERS:
        raise ParseError(f"SLP function {function}")
    message.u16()
    extension = 0
    if version == 1:
        language = message.take(2)
        message.skip(4)
    else:
        extension = _u24(message)
        message.u16()
        language = message.take(message.u16())
    if not language.strip(b"\0"):
        raise ParseError("SLP without a language")
    if function in _OTHERS:
        return None
    name, *counts = _REQUESTS[function]
    strings = [
        _string(message, authority=function == _TYPE_REQUEST and position == 1)
        for position in range(counts[version - 1])
    ]
    _skip_extensions(message, extension)
    return Query(summary=printable(name, strings[1]))


def _u24(message: Cursor) -> int:
    return message.u8() << 16 | message.u16()


def _string(message: Cursor, authority: bool) -> bytes:
    length = message.u16()
    return b"*" if authority and length == _ALL_AUTHORITIES else message.take(length)


def _skip_extensions(message: Cursor, offset: int) -> None:
    """Follow the chain: each extension holds the offset of the next, which lies behind it."""
    if not offset:
        message.end()
        return
    lowest = message.pos
    for _ in range(MAX_EXTENSIONS):
        if not lowest <= offset < len(message.data):
            raise ParseError(f"SLP extension at {offset}")
        extension = Cursor(message.data, offset)
        extension.u16()
        offset, lowest = _u24(extension), extension.pos
        if not offset:
            return
    raise ParseError(f"more than {MAX_EXTENSIONS} SLP extensions")
