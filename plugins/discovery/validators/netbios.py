"""NetBIOS name service: a host asks its subnet by broadcast for the owner of a name, or registers its own.

    | id (2) | R, opcode, flags (2) | counts (4 × 2) | 32 | name, 32 letters | scope | 0 | type (2) | class (2) …

RFC 1001 §14.1 (the encoding of names), RFC 1002 §4.2.1.1 (header), §4.2.1.2 (question).
"""

from __future__ import annotations

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query
from fwhelpers.sansio.cursor import Cursor

from .text import printable

_RESPONSE, _BROADCAST = 0x8000, 0x0010
_OPCODES = {0: "query", 5: "registration", 6: "release", 8: "refresh", 9: "refresh"}
_TYPES = frozenset([0x20, 0x21])  # NB, NBSTAT
_INTERNET = 1

MAX_SIZE = 576  #: RFC 1002 §4.2.1: longest datagram of the name service
ENCODED = 32
MAX_SCOPE = 220  #: RFC 1002 §4.1: names have at most 255 bytes


def check(data: bytes, sport: int) -> Query | None:
    """Accept broadcast requests; None for responses and unicast. Raises ParseError if it is not NetBIOS."""
    if len(data) > MAX_SIZE:
        raise ParseError(f"{len(data)} bytes, the name service has at most {MAX_SIZE}")
    message = Cursor(data)
    message.u16()
    flags, questions = message.u16(), message.u16()
    message.skip(6)
    if flags & _RESPONSE:
        return None
    opcode = _OPCODES.get(flags >> 11 & 15)
    if opcode is None or questions != 1:
        raise ParseError(f"NetBIOS opcode {flags >> 11 & 15} with {questions} questions")
    name = _name(message)
    if message.u16() not in _TYPES or message.u16() != _INTERNET:
        raise ParseError("a question neither for NB nor for NBSTAT")
    # without the flag the request went to a name server; its answer belongs to the same connection
    return Query(summary=printable(f"NetBIOS {opcode}", name)) if flags & _BROADCAST else None


def _name(message: Cursor) -> bytes:
    encoded = message.take(message.u8())
    if len(encoded) != ENCODED or not all(0x41 <= letter <= 0x50 for letter in encoded):
        raise ParseError(f"not an encoded name: {encoded[:40]!r}")
    halves = [letter - 0x41 for letter in encoded]
    name = bytes(high << 4 | low for high, low in zip(halves[::2], halves[1::2], strict=True))
    scope = 0
    while length := message.u8():
        scope += length + 1
        if length > 63 or scope > MAX_SCOPE:
            raise ParseError("scope is too long, or compressed")
        message.skip(length)
    return b"%s<%02x>" % (name[:15].rstrip(b" \0"), name[15])
