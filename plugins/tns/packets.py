"""How Oracle Net's packets begin.

     0        2        4      5       6        8         10
    | length | 0      | type | flags | 0      | of REDIRECT: length of the text | text, "\\0", connect data |
    | length (32 bit) | type | flags | 0      | of DATA: flags | data |

A length has 32 bits only between two ends that agreed upon version 315 or later, so after ACCEPT; since no packet is of
length 0, and none that is looked at of more than 65535, the form shows by itself.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from fwhelpers.api import ParseError

HEADER = 8
MAX_PACKET = 65535

_NARROW = Struct("!HHBBH")  # length, packet checksum, type, flags, header checksum
_WIDE = Struct("!I")
_CONNECT = Struct("!HH")  # version, lowest version
_CONNECT_END = 26  # up to the length of the connect data


class Kind(IntEnum):
    """Packet types."""

    CONNECT = 1
    ACCEPT = 2
    ACK = 3
    REFUSE = 4
    REDIRECT = 5
    DATA = 6
    NULL = 7
    ABORT = 9
    RESEND = 11
    MARKER = 12
    ATTENTION = 13
    CONTROL = 14


class Header(NamedTuple):
    """What every packet begins with."""

    size: int
    kind: Kind
    wide: bool  #: the length has 32 bits


def header_of(data: bytes | bytearray) -> Header:
    """Read the first eight bytes; raises ParseError if no packet begins so."""
    size, checksum, kind, _, header_checksum = _NARROW.unpack_from(data)
    wide = size == 0
    if wide:
        size, checksum = _WIDE.unpack_from(data)[0], 0
    # checksums were never put to use: both are 0 in every capture that we know
    if checksum or header_checksum or not HEADER <= size <= MAX_PACKET:
        raise ParseError(f"not a TNS packet: {bytes(data[:HEADER])!r}")
    try:
        return Header(size, Kind(kind), wide)
    except ValueError:
        raise ParseError(f"TNS packet of unknown type {kind}") from None


def check_connect(header: Header, data: bytes) -> None:
    """Check that a CONNECT is one; raises ParseError if not."""
    if header.wide or len(data) < _CONNECT_END:
        raise ParseError("CONNECT is too short, or has a long length")
    version, lowest = _CONNECT.unpack_from(data, HEADER)
    if version < lowest:
        raise ParseError(f"CONNECT with version {version}, but at least {lowest}")
