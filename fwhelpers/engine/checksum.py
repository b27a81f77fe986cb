"""Internet checksums (RFC 1071) of rewritten packets."""

from __future__ import annotations

from struct import pack_into

from fwhelpers.engine.headers import AH, FRAGMENT, ROUTING, TCP, Segment

SEGMENT_ROUTING = 4  # the type of the routing header


def ones_complement(data: bytes | bytearray | memoryview) -> int:
    """The 16-bit one's complement sum of big-endian words, an odd last byte padded with zero."""
    # the sum of a number's 16-bit digits is congruent to the number modulo 0xffff, which int computes at C speed
    value = int.from_bytes(data, "big")
    if len(data) & 1:
        value <<= 8
    total = value % 0xFFFF
    return total or (0xFFFF if value else 0)


def final_destination(packet: bytes | bytearray, segment: Segment) -> bytes | bytearray:
    """Return the IPv6 destination of the pseudo-header: behind a routing header the last address (RFC 8200 §8.1)."""
    kind, at = packet[6], 40
    while kind != segment.l4 and at + 8 <= segment.transport:
        if kind == ROUTING and packet[at + 3]:
            return _last_address(packet, at)
        size = (
            8
            if kind == FRAGMENT
            else (packet[at + 1] + 2) * 4
            if kind == AH
            else (packet[at + 1] + 1) * 8
        )
        kind, at = packet[at], at + size
    return packet[24:40]


def _last_address(packet: bytes | bytearray, at: int) -> bytes | bytearray:
    # segment routing lists the path backwards (RFC 8754 §2), the other types forwards
    first = at + 8 if packet[at + 2] == SEGMENT_ROUTING else at + 8 + (packet[at + 1] * 8 - 16)
    return packet[first : first + 16]


def fill(packet: bytearray, segment: Segment) -> None:
    """Update the length fields and checksums of a packet whose payload was replaced; `segment.end` is its size."""
    size = segment.end
    length = size - segment.transport
    if packet[0] >> 4 == 4:
        header = (packet[0] & 15) * 4
        pack_into("!H", packet, 2, size)
        packet[10:12] = b"\0\0"
        pack_into("!H", packet, 10, 0xFFFF - ones_complement(packet[:header]))
        addresses = packet[12:20]
    else:
        pack_into("!H", packet, 4, size - 40)
        addresses = packet[8:24] + final_destination(packet, segment)
    at = segment.transport + (16 if segment.l4 == TCP else 6)
    if segment.l4 != TCP:
        pack_into("!H", packet, segment.transport + 4, length)
    packet[at : at + 2] = b"\0\0"
    pseudo = bytes(addresses) + length.to_bytes(4, "big") + segment.l4.to_bytes(4, "big")
    total = 0xFFFF - ones_complement(pseudo + packet[segment.transport : size])
    if segment.l4 != TCP:
        total = total or 0xFFFF  # zero means "no checksum" in UDP (RFC 768)
    pack_into("!H", packet, at, total)
