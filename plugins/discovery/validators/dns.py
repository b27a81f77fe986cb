"""mDNS and LLMNR: a host asks its link for a name, in DNS format.

    | id (2) | flags (2) | questions (2) | answers (2) | authorities (2) | additional (2) | name | type (2) | class (2)

RFC 1035 §4.1 (format, compression), RFC 6762 §5.4 (QU questions), §6.7 (legacy unicast), §17 (size), §18 (header);
RFC 4795 §2.1 (LLMNR).
"""

from __future__ import annotations

from typing import NamedTuple

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query
from fwhelpers.sansio.cursor import Cursor

from .text import printable

MDNS_PORT = 5353
MAX_SIZE = 9000  #: RFC 6762 §17
MAX_QUESTIONS = 256
MAX_NAME = 255
MAX_JUMPS = 16

_RESPONSE, _OPCODE, _CONFLICT = 0x8000, 0x7800, 0x0400
_UNICAST = 0x8000  #: in a question's class, RFC 6762 §5.4


class _Message(NamedTuple):
    flags: int
    names: list[bytes]
    unicast: bool  #: a question asks for a unicast answer
    records: int  #: answers and authorities


def check(data: bytes, sport: int) -> Query | None:
    """Accept mDNS questions that are answered by unicast; None for other messages. Raises ParseError if not DNS."""
    message = _message(data)
    # RFC 6762 §18.3: with another opcode it must be ignored
    if message.flags & (_RESPONSE | _OPCODE) or not message.names:
        return None
    # RFC 6762 §6.7: a question from another port is a legacy one, answered by unicast to that port
    if sport == MDNS_PORT and not message.unicast:
        return None
    return Query(summary=printable("mDNS", message.names[0]))


def check_llmnr(data: bytes, sport: int) -> Query | None:
    """Accept LLMNR queries that responders answer; None for other messages. Raises ParseError if it is not DNS."""
    message = _message(data)
    # RFC 4795 §2.1.1: no answer to a query with the C bit; exactly one question, no answers, no authorities
    if message.flags & (_RESPONSE | _OPCODE | _CONFLICT):
        return None
    if len(message.names) != 1 or message.records:
        return None
    return Query(summary=printable("LLMNR", message.names[0]))


def _message(data: bytes) -> _Message:
    if len(data) > MAX_SIZE:
        raise ParseError(f"{len(data)} bytes, DNS over multicast has at most {MAX_SIZE}")
    message = Cursor(data)
    message.u16()
    flags, questions = message.u16(), message.u16()
    records = message.u16() + message.u16()
    message.u16()
    if questions > MAX_QUESTIONS:
        raise ParseError(f"{questions} questions")
    names, unicast = [], False
    for _ in range(questions):
        names.append(_name(message))
        message.u16()
        unicast |= bool(message.u16() & _UNICAST)
    return _Message(flags, names, unicast, records)


def _name(message: Cursor) -> bytes:
    labels: list[bytes] = []
    cursor, size, lowest = message, 0, message.pos
    for _ in range(MAX_NAME + MAX_JUMPS):
        length = cursor.u8()
        if length >= 0xC0:
            # RFC 1035 §4.1.4: "a prior occurrence". Pointers only lead backwards, so there is no loop
            target = (length & 0x3F) << 8 | cursor.u8()
            if not 12 <= target < lowest:
                raise ParseError(f"compression pointer to {target}")
            cursor, lowest = Cursor(message.data, target), target
            continue
        if length > 63:
            raise ParseError(f"label type {length:#x}")
        if not length:
            return b".".join(labels)
        size += length + 1
        if size >= MAX_NAME:
            raise ParseError(f"a name of more than {MAX_NAME} bytes")
        labels.append(cursor.take(length))
    raise ParseError("too many compression pointers")
