"""Messages of nfnetlink: netlink header, nfgenmsg, attributes (linux/netfilter/nfnetlink.h)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from struct import Struct, unpack_from
from typing import NamedTuple

from fwhelpers.kernel.nla import Buffer, DecodeError

_HEAD = Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_GEN = Struct("!BBH")  # nfgenmsg: family, version, resource id
_BOTH = Struct("=IHHI4xBx2s")  # of a request
SIZE = _HEAD.size + _GEN.size

REQUEST, ACK, DUMP = 0x01, 0x04, 0x300
EXCL, CREATE = 0x200, 0x400
ERROR, DONE = 2, 3

CTNETLINK, CTNETLINK_EXP, QUEUE, CTHELPER, NFTABLES = 1, 2, 3, 9, 10


class NetlinkError(OSError):
    """The kernel refused a request. The text names the request."""

    def __init__(self, errno: int, request: str) -> None:
        super().__init__(errno, f"{request}: {os.strerror(errno)}")
        self.request = request

    def __str__(self) -> str:
        return str(self.strerror)


class Message(NamedTuple):
    """A received message; `payload` follows nfgenmsg."""

    type: int
    flags: int
    seq: int
    family: int
    res_id: int
    payload: memoryview

    @property
    def subsystem(self) -> int:
        """The subsystem of nfnetlink that sent it."""
        return self.type >> 8

    @property
    def kind(self) -> int:
        """Number of the message within its subsystem."""
        return self.type & 0xFF


def message(
    subsystem: int,
    kind: int,
    flags: int,
    payload: bytes = b"",
    *,
    family: int = 0,
    res_id: int = 0,
    seq: int = 0,
) -> bytes:
    """Encode a request. REQUEST is added to the flags."""
    size, resource = SIZE + len(payload), res_id.to_bytes(2, "big")
    head = _BOTH.pack(size, subsystem << 8 | kind, flags | REQUEST, seq, family, resource)
    return head + payload


def split(buffer: Buffer) -> Iterator[Message]:
    """Yield the messages of a datagram. Control messages have family and res_id 0. Raises DecodeError."""
    view = memoryview(buffer)
    at = 0
    while at + _HEAD.size <= len(view):
        size, kind, flags, seq, _ = _HEAD.unpack_from(view, at)
        if size < _HEAD.size or at + size > len(view):
            raise DecodeError(f"message of {size} bytes where {len(view) - at} are left")
        if kind < 16:
            yield Message(kind, flags, seq, 0, 0, view[at + _HEAD.size : at + size])
        elif size >= SIZE:
            family, _, res_id = _GEN.unpack_from(view, at + _HEAD.size)
            yield Message(kind, flags, seq, family, res_id, view[at + SIZE : at + size])
        at += (size + 3) & ~3


def error_of(message: Message) -> int:
    """Return the errno of an ERROR or DONE message, 0 for success."""
    if len(message.payload) < 4:
        return 0
    return int(-unpack_from("=i", message.payload)[0])
