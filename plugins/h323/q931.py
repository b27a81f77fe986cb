"""TPKT (RFC 1006 §6) and Q.931 as H.225.0 §7 uses it: the User-user element contains the H.323 part.

    | 3 | 0 | length (2) | 8 | size of the reference | reference | message type | elements |

An element is | identifier | length | content |, or one octet with the highest bit set. Only the length of the User-user
element has two octets.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from fwhelpers.api import ParseError
from fwhelpers.sansio.cursor import Cursor

HEADER = 4  #: octets of TPKT
DISCRIMINATOR = 8  #: of Q.931 messages (§4.2)

_TPKT_VERSION = 3
_USER_USER = 0x7E
_X208 = 5  #: protocol discriminator of the User-user element: ASN.1
_SINGLE = 0x80  #: elements of one octet (§4.5.1)


class Kind(IntEnum):
    """Message types that matter here (Q.931 §4.4)."""

    SETUP = 0x05
    RELEASE_COMPLETE = 0x5A


class Message(NamedTuple):
    """A Q.931 message."""

    reference: int  #: the call's number, unique together with the end that chose it
    answers: bool  #: the sender is not the end that chose the reference
    kind: int
    user_user: tuple[int, int] | None  #: begin and end of the H.323 part


def tpkt_size(data: bytes | bytearray) -> int:
    """Return the size of the packet that begins with these four octets. Raises ParseError."""
    size = int.from_bytes(data[2:HEADER], "big")
    if data[0] != _TPKT_VERSION or size < HEADER:
        raise ParseError(f"not a TPKT header: {bytes(data[:HEADER])!r}")
    return size


def parse(data: bytes, start: int = HEADER) -> Message:
    """Parse the message at data[start:]. Raises ParseError."""
    cursor = Cursor(data, start)
    if cursor.u8() != DISCRIMINATOR:
        raise ParseError(f"not a Q.931 message: {data[start : start + 8]!r}")
    size = cursor.u8()
    if size > 2:
        raise ParseError(f"a call reference of {size} octets")
    reference = int.from_bytes(cursor.take(size), "big")
    flag = 1 << (8 * size - 1) if size else 0
    kind = cursor.u8()
    return Message(reference & ~flag, bool(reference & flag), kind, _user_user(cursor))


def _user_user(cursor: Cursor) -> tuple[int, int] | None:
    while cursor.remaining:
        element = cursor.u8()
        if element & _SINGLE:
            continue
        if element != _USER_USER:
            cursor.skip(cursor.u8())
            continue
        size = cursor.u16()
        start = cursor.skip(size)
        if size and cursor.data[start] == _X208:
            return start + 1, start + size
    return None
