"""SCCP messages in the layouts of old and new versions."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from fwhelpers_plugins.sccp import fwhelpers_helpers

from fwhelpers.api import Endpoint
from fwhelpers.testing.playbook import Message, client, server

(SCCP,) = fwhelpers_helpers()

OLD, NEW = 0, 18

RUBBISH = b"\x17\0\0\0\0\0\0\0\0\0\x7f\x79"  # a real phone leaves such behind an IPv4 address

PHONE = Endpoint.parse("10.0.1.2", 16384)
OTHER = Endpoint.parse("10.0.3.3", 20000)


def message(number: int, body: bytes, version: int = OLD) -> bytes:
    return struct.pack("<III", len(body) + 4, version, number) + body


def words(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def place(end: Endpoint, version: int) -> bytes:
    if version < 17:
        return end.addr + words(end.port)
    family = int(len(end.addr) == 16)
    return words(family) + end.addr + RUBBISH[: 16 - len(end.addr)] + words(end.port)


def register(version: int = OLD) -> bytes:
    return message(1, b"SEP001122334455\0" + words(0, 1) + PHONE.addr + bytes(16), version)


def opened(party: int = 7, version: int = OLD, remote: Endpoint | None = None) -> bytes:
    """Return OpenReceiveChannel."""
    body = words(1, party, 20, 4, 0, 0, 9) + bytes(72)
    if remote:
        body += place(remote, version)
    return message(0x105, body.ljust(132, b"\0"), version)


def ack(
    end: Endpoint = PHONE, party: int = 7, version: int = OLD, status: int = 0, number: int = 0x22
) -> bytes:
    """Return OpenReceiveChannelAck."""
    return message(number, words(status) + place(end, version) + words(party, 9), version)


def start(end: Endpoint = OTHER, party: int = 7, version: int = OLD) -> bytes:
    """Return StartMediaTransmission."""
    return message(0x8A, words(1, party) + place(end, version) + bytes(40), version)


def start_video(end: Endpoint = OTHER, party: int = 7, version: int = OLD) -> bytes:
    """Return StartMultiMediaTransmission."""
    return message(0x132, words(1, party, 100) + place(end, version) + bytes(40), version)


def started(end: Endpoint = PHONE, party: int = 7, version: int = NEW) -> bytes:
    """Return StartMediaTransmissionAck."""
    return message(0x154, words(1, party, 9) + place(end, version) + words(0), version)


def about(number: int, party: int = 7) -> bytes:
    """Return a Stop or Close."""
    return message(number, words(1, party, 9, 0))


STOP, CLOSE = 0x8B, 0x106
OPEN_VIDEO, ACK_VIDEO, STOP_VIDEO, CLOSE_VIDEO = 0x131, 0x31, 0x133, 0x136

CALL: Sequence[Message] = [
    client(register()),
    server(opened()),
    client(ack()),
    server(start()),
    server(about(CLOSE), about(STOP)),
]
