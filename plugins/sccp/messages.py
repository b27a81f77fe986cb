"""Messages of the Skinny Client Control Protocol, as far as media addresses and ports go. Numbers are little-endian.

     0        4         8          12
    | length | version | message | body        length: of what follows the first eight bytes

Addresses are in network order. Until version 16 an address has four bytes; from 17 on its type (0: IPv4, 1: IPv6) and
16 bytes, of which IPv4 uses the first four and leaves rubbish in the others. The protocol is Cisco's and has no public
specification: the layouts are those of recordings and of Wireshark's packet-skinny.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import NamedTuple

from fwhelpers.api import Endpoint, ParseError

HEADER = 12
MAX_LENGTH = 16384  #: bytes that a message may have
READ = 160  #: bytes of a message that are read at most

_HEADER = Struct("<III")
_WORD = Struct("<I")
_WIDE_SINCE = 17
_LAST_VERSION = 64
_LAST_MESSAGE = 0xFFFF


class Kind(IntEnum):
    """Message types."""

    OPEN_RECEIVE_CHANNEL_ACK = 0x0022
    OPEN_MULTIMEDIA_RECEIVE_CHANNEL_ACK = 0x0031
    START_MEDIA_TRANSMISSION = 0x008A
    STOP_MEDIA_TRANSMISSION = 0x008B
    OPEN_RECEIVE_CHANNEL = 0x0105
    CLOSE_RECEIVE_CHANNEL = 0x0106
    OPEN_MULTIMEDIA_RECEIVE_CHANNEL = 0x0131
    START_MULTIMEDIA_TRANSMISSION = 0x0132
    STOP_MULTIMEDIA_TRANSMISSION = 0x0133
    CLOSE_MULTIMEDIA_RECEIVE_CHANNEL = 0x0136
    START_MEDIA_TRANSMISSION_ACK = 0x0154
    START_MULTIMEDIA_TRANSMISSION_ACK = 0x0155


ACKS = frozenset((Kind.OPEN_RECEIVE_CHANNEL_ACK, Kind.OPEN_MULTIMEDIA_RECEIVE_CHANNEL_ACK))
OPENS = frozenset((Kind.OPEN_RECEIVE_CHANNEL, Kind.OPEN_MULTIMEDIA_RECEIVE_CHANNEL))
STARTS = frozenset((Kind.START_MEDIA_TRANSMISSION, Kind.START_MULTIMEDIA_TRANSMISSION))
STOPS = frozenset((Kind.STOP_MEDIA_TRANSMISSION, Kind.STOP_MULTIMEDIA_TRANSMISSION))
CLOSES = frozenset((Kind.CLOSE_RECEIVE_CHANNEL, Kind.CLOSE_MULTIMEDIA_RECEIVE_CHANNEL))
START_ACKS = frozenset((Kind.START_MEDIA_TRANSMISSION_ACK, Kind.START_MULTIMEDIA_TRANSMISSION_ACK))

_VIDEO = frozenset(kind for kind in Kind if "MULTIMEDIA" in kind.name)

#: offset of the address (of its type, from version 17 on) in the body
_ADDRESS = {
    Kind.OPEN_RECEIVE_CHANNEL_ACK: 4,
    Kind.OPEN_MULTIMEDIA_RECEIVE_CHANNEL_ACK: 4,
    Kind.START_MEDIA_TRANSMISSION: 8,
    Kind.START_MULTIMEDIA_TRANSMISSION: 12,
    Kind.START_MEDIA_TRANSMISSION_ACK: 12,
    Kind.START_MULTIMEDIA_TRANSMISSION_ACK: 12,
}
_SOURCE = 100  # of OpenReceiveChannel's remote end, from version 17 on


class Header(NamedTuple):
    """The first twelve bytes."""

    size: int  #: bytes of the message, header included
    version: int
    number: int  #: the message type

    @property
    def kind(self) -> Kind | None:
        """The message type, None if it announces nothing."""
        try:
            return Kind(self.number)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint and its offsets in the message."""

    endpoint: Endpoint
    begin: int  #: of the address
    end: int  #: behind the port
    filler: bytes  #: between the address and the port

    def encode(self, end: Endpoint) -> bytes:
        """Write another endpoint of the same family."""
        return end.addr + self.filler + _WORD.pack(end.port)


@dataclass(frozen=True, slots=True)
class Message:
    """A message about a channel."""

    kind: Kind
    party: int  #: passThruPartyId: the channel
    status: int  #: of an acknowledgement, 0: the channel is open
    place: Place | None  #: the endpoint that the message names

    @property
    def video(self) -> bool:
        """Whether this is one of the messages for video."""
        return self.kind in _VIDEO

    @property
    def name(self) -> str:
        """The name of the message, for logs."""
        return self.kind.name.title().replace("_", "")


def parse_header(data: bytes | bytearray) -> Header:
    """Parse the first twelve bytes. Raises ParseError."""
    length, version, number = _HEADER.unpack_from(data)
    if not 4 <= length <= MAX_LENGTH or version > _LAST_VERSION or number > _LAST_MESSAGE:
        raise ParseError(f"not an SCCP message: {bytes(data[:HEADER])!r}")
    return Header(8 + length, version, number)


def parse(kind: Kind, version: int, data: bytes) -> Message:
    """Parse a message of this kind from its header on. Raises ValueError if it is too short or names no address."""
    wide = version >= _WIDE_SINCE
    status = 0
    place = None
    if kind in ACKS:
        status = _word(data, HEADER)
        party = _word(data, HEADER + (28 if wide else 12))
        place = None if status else _place(data, HEADER + _ADDRESS[kind], wide)
    else:
        party = _word(data, HEADER + 4)
        if kind in _ADDRESS:
            place = _place(data, HEADER + _ADDRESS[kind], wide)
        elif kind is Kind.OPEN_RECEIVE_CHANNEL and wide and len(data) >= HEADER + _SOURCE + 24:
            place = _place(data, HEADER + _SOURCE, wide)
    return Message(kind, party, status, place)


def _place(data: bytes, offset: int, wide: bool) -> Place:
    size, field = 4, 4
    if wide:
        family = _word(data, offset)
        if family > 1:
            raise ValueError(f"address type {family}")
        size, field = (16 if family else 4), 16
        offset += 4
    port = _word(data, offset + field)
    if port > 65535:
        raise ValueError(f"port {port} does not exist")
    addr = data[offset : offset + size]
    return Place(
        Endpoint(addr, port), offset, offset + field + 4, data[offset + size : offset + field]
    )


def _word(data: bytes, offset: int) -> int:
    if len(data) < offset + 4:
        raise ValueError(f"{len(data)} bytes are too short")
    number: int = _WORD.unpack_from(data, offset)[0]
    return number
