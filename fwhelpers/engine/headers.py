"""Locates the transport header and the payload of an IP packet, without copying.

0        ihl*4 / 40+ext          + 8 (UDP) or data offset*4 (TCP)
| IP header | extension headers | UDP/TCP header | payload … |
"""

from __future__ import annotations

from struct import Struct

_U16 = Struct("!H")
_IPV4 = Struct("!BxHxxHxB")  # version and header length, total length, fragment, protocol
_TCP = Struct("!4xI4xBB")  # sequence number, data offset, flags

TCP = 6
UDP = 17

FIN, SYN, RST, ACK, URG = 0x01, 0x02, 0x04, 0x10, 0x20

#: IPv6 headers of the form next header (1), length in 8 octets less one (1); RFC 8200 §4, RFC 6275 §6.1
_EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140})
ROUTING, FRAGMENT, AH = 43, 44, 51
_MAX_EXTENSIONS = 16


class Segment:
    """The layout of an IP packet, as offsets in bytes from its first byte."""

    __slots__ = ("data", "end", "flags", "l4", "seq", "transport")

    def __init__(
        self, l4: int, transport: int, data: int, end: int, seq: int = 0, flags: int = 0
    ) -> None:
        self.l4 = l4
        self.transport = transport  #: start of the TCP or UDP header
        self.data = data  #: start of the payload
        self.end = end  #: end of the packet according to the IP header (link-layer padding follows)
        self.seq = seq
        self.flags = flags

    def resized(self, end: int) -> Segment:
        """Return the layout of a packet with another payload."""
        return Segment(self.l4, self.transport, self.data, end, self.seq, self.flags)


def locate(packet: bytes) -> Segment | None:
    """Return the packet's layout, None unless it is a complete, well-formed TCP or UDP packet."""
    if len(packet) < 20:
        return None
    first, end, fragment, l4 = _IPV4.unpack_from(packet)
    version, header = first >> 4, (first & 15) * 4
    if version != 4:
        return _ipv6(packet) if version == 6 else None
    # MF and offset: packets are defragmented before
    if header < 20 or fragment & 0x3FFF or not header <= end <= len(packet):
        return None
    return _segment(packet, l4, header, end)


def _segment(packet: bytes, l4: int, at: int, end: int) -> Segment | None:
    if l4 == UDP:
        # a length that differs from IP's hides bytes from one of two readers (safety rule G13)
        if at + 8 > end or _U16.unpack_from(packet, at + 4)[0] != end - at:
            return None
        return Segment(UDP, at, at + 8, end)
    if l4 != TCP or at + 20 > end:
        return None
    seq, offset, flags = _TCP.unpack_from(packet, at)
    data = at + (offset >> 4) * 4
    if not at + 20 <= data <= end:
        return None
    return Segment(TCP, at, data, end, seq, flags)


def _ipv6(packet: bytes) -> Segment | None:
    if len(packet) < 40:
        return None
    end = 40 + _U16.unpack_from(packet, 4)[0]
    if end > len(packet):
        return None
    kind, at = packet[6], 40
    for _ in range(_MAX_EXTENSIONS):
        if kind in (TCP, UDP):
            return _segment(packet, kind, at, end)
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
