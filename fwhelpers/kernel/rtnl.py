"""Addresses of the interfaces (linux/rtnetlink.h, linux/if_addr.h).

| nlmsghdr, 16 bytes | ifaddrmsg: family (1), prefix length (1), flags (1), scope (1), index (4) | attributes … |
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from fwhelpers.kernel.nla import Buffer, DecodeError, parse

_HEAD = Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ADDRESS = Struct("=BBBBI")

_REQUEST, _DUMP = 0x01, 0x300
_ERROR, _DONE, _NEWADDR, _GETADDR = 2, 3, 20, 22
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_SIZES = {2: 4, 10: 16}


class Address(NamedTuple):
    """An address of an interface and its network."""

    ifindex: int  #: of the interface
    local: bytes  #: the interface's own address, packed
    network: bytes  #: an address in the network; on a point-to-point link the peer's
    length: int  #: length of the network's prefix


def encode_addresses() -> bytes:
    """Encode a dump of the addresses of all interfaces, both families."""
    size = _HEAD.size + _ADDRESS.size
    return _HEAD.pack(size, _GETADDR, _REQUEST | _DUMP, 0, 0) + _ADDRESS.pack(0, 0, 0, 0, 0)


def parse_addresses(buffer: Buffer) -> tuple[list[Address], bool]:
    """Return the addresses in a datagram, and whether it is the last one. Raises DecodeError."""
    addresses: list[Address] = []
    last = False
    for kind, payload in _messages(memoryview(buffer)):
        if kind in (_ERROR, _DONE):
            last = True
        elif kind == _NEWADDR:
            addresses += _address(payload)
    return addresses, last


def _messages(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    at = 0
    while at + _HEAD.size <= len(view):
        size, kind, *_ = _HEAD.unpack_from(view, at)
        if size < _HEAD.size or at + size > len(view):
            raise DecodeError(f"message of {size} bytes where {len(view) - at} are left")
        yield kind, view[at + _HEAD.size : at + size]
        at += (size + 3) & ~3


def _address(payload: memoryview) -> Iterator[Address]:
    if len(payload) < _ADDRESS.size:
        raise DecodeError("address message without its head")
    family, length, _, _, index = _ADDRESS.unpack_from(payload)
    parts = parse(payload[_ADDRESS.size :])
    size = _SIZES.get(family, 0)
    network = bytes(parts.get(_IFA_ADDRESS, parts.get(_IFA_LOCAL, b"")))
    local = bytes(parts.get(_IFA_LOCAL, network))  # IPv6 gives it only where the two differ
    if len(network) == len(local) == size > 0 and length <= 8 * size:
        yield Address(index, local, network, length)
