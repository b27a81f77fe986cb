"""Locates packets of protocols without ports, which the engine never receives."""

from __future__ import annotations

from fwhelpers.engine.headers import Segment
from fwhelpers.kernel import transports


def locate_portless(packet: bytes) -> Segment | None:
    """Return the packet's layout if the IP header is complete and names a protocol without ports.

    IPv6 extension headers before it are not followed.
    """
    ipv4 = packet[0] >> 4 == 4
    size = (packet[0] & 15) * 4 if ipv4 else 40
    least = 20 if ipv4 else 40
    number = packet[9 if ipv4 else 6] if len(packet) >= max(size, least) else 0
    if size < least or transports.has_ports(number):
        return None
    return Segment(number, size, len(packet), len(packet))
