"""TWAMP control messages in unauthenticated mode."""

from __future__ import annotations

from struct import pack

from fwhelpers_plugins.twamp import fwhelpers_helpers

from fwhelpers.testing.playbook import CLIENT, SERVER, Message, client, server

(TWAMP,) = fwhelpers_helpers()
SID = bytes(range(16))


def greeting(modes: int = 1, count: int = 1024, end: bytes = bytes(12)) -> bytes:
    return bytes(12) + pack("!I", modes) + bytes(range(32)) + pack("!I", count) + end


def set_up(mode: int = 1) -> bytes:
    return pack("!I", mode) + bytes(160)


def server_start(accept: int = 0, begin: bytes = bytes(15)) -> bytes:
    return begin + bytes([accept]) + bytes(range(16)) + b"\xdf" * 8 + bytes(8)


def request(
    port: int = 20001,
    family: int = 4,
    sender: bytes = b"",
    receiver: bytes = b"",
    version: int | None = None,
    slots: int = 0,
) -> bytes:
    head = pack("!BBBBIIHH", 5, version or family, 0, 0, slots, 0, port, 20002)
    addresses = sender.ljust(16, b"\0") + receiver.ljust(16, b"\0")
    return (head + addresses + bytes(16) + pack("!I", 41)).ljust(112, b"\0")


def accept(port: int = 20002, code: int = 0) -> bytes:
    return pack("!BBH", code, 0, port) + SID + bytes(28)


def command(kind: int) -> bytes:
    return bytes([kind]) + bytes(31)


START_ACK = bytes(32)
BEGIN: list[Message] = [server(greeting()), client(set_up()), server(server_start())]
SESSION: list[Message] = [
    *BEGIN,
    client(request(sender=CLIENT[4].addr, receiver=SERVER[4].addr)),
    server(accept()),
    client(command(2)),
    server(START_ACK),
    client(command(3)),
]
