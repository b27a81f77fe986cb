"""Locates the transport header and the payload of an IP packet, without copying.

0        ihl*4 / 40+ext          + 8 (UDP) or data offset*4 (TCP)
| IP header | extension headers | UDP/TCP header | payload … |
"""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

_U16 = Struct("!H")
_U32 = Struct("!I")

TCP = 6
UDP = 17

FIN, SYN, RST, ACK, URG = 0x01, 0x02, 0x04, 0x10, 0x20

#: IPv6 headers of the form next header (1), length in 8 octets less one (1); RFC 8200 §4, RFC 6275 §6.1
_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140})
ROUTING, FRAGMENT, AH = 43, 44, 51
_MAX_EXTENSIONS = 16


class Segment(NamedTuple):
    """The layout of an IP packet, as offsets in bytes from its first byte."""

    l4: int
    transport: int  #: start of the TCP or UDP header
    data: int  #: start of the payload
    end: int  #: end of the packet according to the IP header (link-layer padding follows)
    seq: int = 0
    flags: int = 0


def locate(packet: bytes | memoryview) -> Segment | None:
    """Return the packet's layout, None unless it is a complete, well-formed TCP or UDP packet."""
    if len(packet) < 20:
        return None
    version = packet[0] >> 4
    header = _ipv4(packet) if version == 4 else _ipv6(packet) if version == 6 else None
    if header is None:
        return None
    l4, transport, end = header
    if l4 == UDP:
        return _udp(packet, transport, end)
    return _tcp(packet, transport, end) if l4 == TCP else None


def _ipv4(packet: bytes | memoryview) -> tuple[int, int, int] | None:
    header = (packet[0] & 15) * 4
    (end,) = _U16.unpack_from(packet, 2)
    fragment = (
        _U16.unpack_from(packet, 6)[0] & 0x3FFF
    )  # MF and offset: packets are defragmented before
    if header < 20 or fragment or not header <= end <= len(packet):
        return None
    return packet[9], header, end


def _ipv6(packet: bytes | memoryview) -> tuple[int, int, int] | None:
    if len(packet) < 40:
        return None
    end = 40 + _U16.unpack_from(packet, 4)[0]
    if end > len(packet):
        return None
    kind, at = packet[6], 40
    for _ in range(_MAX_EXTENSIONS):
        if kind in (TCP, UDP):
            return kind, at, end
        if at + 8 > end:
            return None
        if kind in _EXTENSIONS:
            kind, at = packet[at], at + (packet[at + 1] + 1) * 8
        elif kind == AH:
            kind, at = packet[at], at + (packet[at + 1] + 2) * 4
        elif kind == FRAGMENT and _U16.unpack_from(packet, at + 2)[0] & 0xFFF9 == 0:
            kind, at = packet[at], at + 8  # an atomic fragment, RFC 6946
        else:
            return None
    return None


def _udp(packet: bytes | memoryview, at: int, end: int) -> Segment | None:
    # a length that differs from IP's hides bytes from one of two readers (safety rule G13)
    if at + 8 > end or _U16.unpack_from(packet, at + 4)[0] != end - at:
        return None
    return Segment(UDP, at, at + 8, end)


def _tcp(packet: bytes | memoryview, at: int, end: int) -> Segment | None:
    if at + 20 > end:
        return None
    data = at + (packet[at + 12] >> 4) * 4
    if not at + 20 <= data <= end:
        return None
    return Segment(TCP, at, data, end, _U32.unpack_from(packet, at + 4)[0], packet[at + 13])
