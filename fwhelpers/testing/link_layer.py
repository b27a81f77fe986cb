"""From a captured frame to the IP packet in it (tcpdump.org/linktypes.html)."""

from __future__ import annotations

from struct import Struct

_U16 = Struct("!H")

_NULL, _ETHERNET, _PPP, _RAW_BSD, _RAW_OPENBSD, _PPP_SERIAL, _RAW = 0, 1, 9, 12, 14, 50, 101
_LOOP, _SLL, _IPV4, _IPV6, _SLL2 = 108, 113, 228, 229, 276

_IP = frozenset({0x0800, 0x86DD})
_VLANS = frozenset({0x8100, 0x88A8, 0x9100})
_PPPOE, _PPP_IP = 0x8864, frozenset({0x0021, 0x0057})


def ip_packet(link: int, data: bytes) -> bytes | None:
    """Return a frame's IP packet without the trailing padding, or None if it has none."""
    at = _start(link, data)
    if at is None or len(data) < at + 20:
        return None
    version = data[at] >> 4
    if version == 4:
        return data[at : at + _U16.unpack_from(data, at + 2)[0]]
    if version == 6 and len(data) >= at + 40:
        return data[at : at + 40 + _U16.unpack_from(data, at + 4)[0]]
    return None


def is_broadcast(link: int, data: bytes) -> bool:
    """Return True if the frame went to the broadcast address of an Ethernet."""
    return link == _ETHERNET and data[:6] == b"\xff" * 6


def hardware_addresses(link: int, data: bytes) -> frozenset[bytes]:
    """Return the Ethernet addresses of single hosts in a frame's link-layer header."""
    ends = (data[:6], data[6:12]) if link == _ETHERNET else (data[6:12],) if link == _SLL else ()
    return frozenset(addr for addr in ends if len(addr) == 6 and any(addr) and not addr[0] & 1)


def _start(link: int, data: bytes) -> int | None:
    if link in (_RAW, _RAW_BSD, _RAW_OPENBSD, _IPV4, _IPV6):
        return 0
    if link in (_NULL, _LOOP):
        return 4  # the address family's number differs between systems; the IP version doesn't
    if link == _ETHERNET:
        return _by_type(data, 12)
    if link == _SLL:
        return _by_type(data, 14)
    if link == _SLL2:
        return 20 if len(data) >= 20 and _U16.unpack_from(data)[0] in _IP else None
    if link in (_PPP, _PPP_SERIAL):
        return _ppp(data, 2 if data[:2] == b"\xff\x03" else 0)
    return None


def _by_type(data: bytes, at: int) -> int | None:
    """`at` is where the EtherType stands; VLAN tags and PPPoE may come before IP."""
    while at + 2 <= len(data):
        kind = _U16.unpack_from(data, at)[0]
        if kind in _IP:
            return at + 2
        if kind == _PPPOE:
            return _ppp(data, at + 8)
        if kind not in _VLANS:
            return None
        at += 4
    return None


def _ppp(data: bytes, at: int) -> int | None:
    if at + 2 > len(data) or _U16.unpack_from(data, at)[0] not in _PPP_IP:
        return None
    return at + 2
