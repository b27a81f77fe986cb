"""Messages of ctnetlink (nfnetlink_conntrack.h), for findings that need entries which conntrack(8) can't make."""

from __future__ import annotations

import socket
import struct

CONNECTION, EXPECTATION = 1, 2  #: NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_CTNETLINK_EXP


def attr(kind, data):
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)


def nest(kind, *parts):
    return attr(kind | 0x8000, b"".join(parts))


def pair(kind, source, target, sport, dport):
    """Return a tuple of TCP."""
    addresses = nest(1, attr(1, socket.inet_aton(source)), attr(2, socket.inet_aton(target)))
    ports = attr(2, struct.pack("!H", sport)), attr(3, struct.pack("!H", dport))
    return nest(kind, addresses, nest(2, attr(1, bytes([6])), *ports))


def number(kind, value):
    return attr(kind, struct.pack("!I", value))


def create(netlink, subsystem, *attributes):
    """Create an entry. Raises AssertionError with the kernel's error."""
    body = b"\x02\0\0\0" + b"".join(attributes)
    netlink.send(struct.pack("=IHHII", 16 + len(body), subsystem << 8, 0x605, 0, 0) + body)
    error = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
    assert error == 0, error


def connection(sport, dport, state, *more):
    """Return the attributes of a connection of 10.0.1.2 to 10.0.2.2 in a TCP state."""
    client, server = "10.0.1.2", "10.0.2.2"
    both = pair(1, client, server, sport, dport), pair(2, server, client, dport, sport)
    return *both, number(3, 14), number(7, 300), nest(4, nest(1, attr(1, bytes([state])))), *more
