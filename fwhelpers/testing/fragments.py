"""IP reassembly, as defrag does it before conntrack sees a packet (RFC 791 §3.2, RFC 8200 §4.5).

Overlapping fragments are thrown away with their datagram (RFC 5722).
"""

from __future__ import annotations

from bisect import bisect
from collections import OrderedDict
from dataclasses import dataclass, field
from struct import Struct
from typing import NamedTuple

_U16 = Struct("!H")

MAX_DATAGRAMS = 64
TIMEOUT = 30.0
_EXTENSIONS = frozenset({0, 43, 60})
_FRAGMENT = 44


class _Piece(NamedTuple):
    key: bytes
    head: bytes  #: the headers before the fragmented part, without fragmentation fields
    offset: int
    more: bool
    body: bytes


@dataclass(slots=True)
class _Datagram:
    since: float
    head: bytes = b""
    size: int = -1  #: of the fragmented part; -1 until the last fragment is there
    received: int = 0
    bodies: dict[int, bytes] = field(default_factory=dict)  #: by offset
    offsets: list[int] = field(default_factory=list)  #: sorted


class Reassembly:
    """Reassembles fragments."""

    def __init__(self) -> None:
        self._datagrams: OrderedDict[bytes, _Datagram] = OrderedDict()

    def feed(self, packet: bytes, now: float) -> bytes | None:
        """Return the packet, or the packet that this fragment completes, or None if fragments are missing."""
        piece = _piece(packet)
        if piece is None:
            return packet
        self._expire(now)
        datagram = self._datagrams.setdefault(piece.key, _Datagram(now))
        if not _add(datagram, piece):
            del self._datagrams[piece.key]
            return None
        whole = _whole(datagram)
        if whole is not None:
            del self._datagrams[piece.key]
        return whole

    def _expire(self, now: float) -> None:
        while self._datagrams:
            oldest = next(iter(self._datagrams.values()))
            if now - oldest.since < TIMEOUT and len(self._datagrams) < MAX_DATAGRAMS:
                return
            self._datagrams.popitem(last=False)


def _add(datagram: _Datagram, piece: _Piece) -> bool:
    """Return False if the datagram must be discarded: an empty fragment, an overlap, bytes behind its end."""
    if datagram.bodies.get(piece.offset) == piece.body:
        return True
    end = piece.offset + len(piece.body)
    if not piece.body or end > 65535 or _overlaps(datagram, piece.offset, end):
        return False
    if piece.offset == 0:
        datagram.head = piece.head
    if not piece.more:
        if datagram.size >= 0:
            return False
        datagram.size = end
    datagram.bodies[piece.offset] = piece.body
    datagram.offsets.insert(bisect(datagram.offsets, piece.offset), piece.offset)
    datagram.received += len(piece.body)
    return datagram.size < 0 or _end(datagram, -1) <= datagram.size


def _overlaps(datagram: _Datagram, start: int, end: int) -> bool:
    following = bisect(datagram.offsets, start)
    return (following > 0 and _end(datagram, following - 1) > start) or (
        following < len(datagram.offsets) and datagram.offsets[following] < end
    )


def _end(datagram: _Datagram, index: int) -> int:
    offset = datagram.offsets[index]
    return offset + len(datagram.bodies[offset])


def _whole(datagram: _Datagram) -> bytes | None:
    # without overlaps, as many bytes as the datagram has are all of them
    if datagram.received != datagram.size or not datagram.head:
        return None
    head, size = bytearray(datagram.head), len(datagram.head) + datagram.size
    _U16.pack_into(head, *((2, size) if head[0] >> 4 == 4 else (4, size - 40)))
    return bytes(head) + b"".join(datagram.bodies[offset] for offset in datagram.offsets)


def _piece(packet: bytes) -> _Piece | None:
    version = packet[0] >> 4 if packet else 0
    return _piece4(packet) if version == 4 else _piece6(packet) if version == 6 else None


def _piece4(packet: bytes) -> _Piece | None:
    flags = _U16.unpack_from(packet, 6)[0] if len(packet) >= 20 else 0
    if not flags & 0x3FFF:
        return None
    size = (packet[0] & 15) * 4
    head = bytearray(packet[:size])
    head[6:8] = bytes(2)
    key = packet[4:6] + packet[9:10] + packet[12:20]
    return _Piece(key, bytes(head), (flags & 0x1FFF) * 8, bool(flags & 0x2000), packet[size:])


def _piece6(packet: bytes) -> _Piece | None:
    kind, where, at = packet[6] if len(packet) >= 40 else 59, 6, 40
    while kind in _EXTENSIONS and at + 8 <= len(packet):
        kind, where, at = packet[at], at, at + (packet[at + 1] + 1) * 8
    if kind != _FRAGMENT or at + 8 > len(packet):
        return None
    flags = _U16.unpack_from(packet, at + 2)[0]
    head = bytearray(packet[:at])
    head[where] = packet[at]
    key = packet[at + 4 : at + 8] + packet[8:40]
    return _Piece(key, bytes(head), flags & 0xFFF8, bool(flags & 1), packet[at + 8 :])
