"""The headers of Oracle Net packets.

     0        2        4      5       6        8         10
    | length | 0      | type | flags | 0      | REDIRECT: length of the text | text, "\\0", connect data |
    | length (32 bits)| type | flags | 0      | DATA: flags | data |

A REDIRECT usually ends after the length, and the text follows in DATA. Both ends use 32-bit lengths after they have
agreed on version 315 or later. The form is evident: no packet has length 0, and none that is read is longer than 65535.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from fwhelpers.api import ParseError

HEADER = 8
CONNECT_HEAD = 26  #: bytes of a CONNECT that are checked, up to the length of the connect data
MAX_PACKET = 65535

_NARROW = Struct("!HHBBH")  # length, packet checksum, type, flags, header checksum
_WIDE = Struct("!I")
_CONNECT = Struct("!HH")  # version, lowest version


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
    """The common part of all packets."""

    size: int
    kind: Kind
    wide: bool  #: the length has 32 bits


def parse_header(data: bytes | bytearray) -> Header:
    """Parse the first eight bytes. Raises ParseError."""
    size, checksum, kind, _, header_checksum = _NARROW.unpack_from(data)
    wide = size == 0
    if wide:
        size, checksum = _WIDE.unpack_from(data)[0], 0
    # checksums are not in use: both are 0 in every known capture
    if checksum or header_checksum or not HEADER <= size <= MAX_PACKET:
        raise ParseError(f"not a TNS packet: {bytes(data[:HEADER])!r}")
    try:
        return Header(size, Kind(kind), wide)
    except ValueError:
        raise ParseError(f"TNS packet of unknown type {kind}") from None


def check_connect(header: Header, data: bytes) -> None:
    """Check the beginning of a CONNECT. Raises ParseError."""
    if header.wide or len(data) < CONNECT_HEAD:
        raise ParseError("CONNECT is too short, or has a 32-bit length")
    version, lowest = _CONNECT.unpack_from(data, HEADER)
    if version < lowest:
        raise ParseError(f"CONNECT with version {version}, but lowest version {lowest}")
