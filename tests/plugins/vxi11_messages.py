"""Calls and replies of the core channel of test instruments, VXI-11 B.6."""

from __future__ import annotations

from struct import pack

from rpc_messages import call, record, reply

from fwhelpers.api import Expect
from fwhelpers.sansio.xdr import string
from fwhelpers.testing import Playbook, client, server

CORE, INTERRUPTS = 395183, 395185
HOST = bytes([10, 0, 1, 2])  #: of the play's client
PORT = 46081
ABORT = 1025


def core(xid: int, procedure: int, arguments: bytes = b"", program: int = CORE) -> bytes:
    return call(xid, 1, procedure, arguments, program=program)


def create_link(xid: int = 1) -> bytes:
    return core(xid, 10, pack("!III", 7, 0, 10000) + string(b"inst0"))


def linked(xid: int = 1, port: int = ABORT, error: int = 0) -> bytes:
    return reply(xid, pack("!4I", error, 1, port, 16384))


def create_interrupts(
    xid: int = 2, host: bytes = HOST, port: int = PORT, program: int = INTERRUPTS, family: int = 0
) -> bytes:
    return core(xid, 25, host + pack("!4I", port, program, 1, family))


def written(xid: int = 3, data: bytes = b"*IDN?\n") -> bytes:
    return core(xid, 11, pack("!4I", 1, 10000, 10000, 8) + string(data))


def measured(xid: int = 4, data: bytes = b"1.5\n") -> bytes:
    return reply(xid, pack("!II", 0, 4) + string(data))


DESTROY = core(5, 26)
DONE = pack("!I", 0)
SESSION = [
    client(record(create_link())), server(record(linked())),
    client(record(create_interrupts())), server(record(reply(2, DONE))),
    client(record(written())), server(record(measured(3, bytes(300)))), client(record(DESTROY)),
]  # fmt: skip


def abort_channel(play: Playbook, span: tuple[int, int], port: int = ABORT) -> Expect:
    return Expect(
        play.client, play.server.at(port), "tcp", "abort", span=span, permanent=True, trigger="create_link"
    )  # fmt: skip


def interrupts(play: Playbook, l4: str = "tcp", port: int = PORT) -> Expect:
    return Expect(
        play.server, play.client.at(port), l4, "interrupt",
        permanent=l4 == "udp", trigger="create_intr_chan", timeout=60 if l4 == "tcp" else None,
    )  # fmt: skip
