"""Calls of NFSv4 clients, as Linux sends them."""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from fwhelpers_plugins.nfs4 import fwhelpers_helpers

from fwhelpers.api import Expect
from fwhelpers.sansio.xdr import string
from fwhelpers.testing import Playbook

(NFS4,) = fwhelpers_helpers()
OWN = {4: (b"tcp", b"10.0.1.2.180.1"), 6: (b"tcp6", b"fd01::2.180.1")}
PORT = 46081


def record(data: bytes) -> bytes:
    return pack("!I", 0x80000000 | len(data)) + data


def call(
    procedure: int,
    arguments: bytes = b"",
    *,
    program: int = 100003,
    version: int = 4,
    flavor: int = 1,
) -> bytes:
    credentials = pack("!I", flavor) + string(pack("!I", 0) + string(b"client") + bytes(12))
    head = pack("!6I", 0xC0FFEE, 0, 2, program, version, procedure)
    return record(head + credentials + pack("!I", 0) + string(b"") + arguments)


def compound(operation: int, arguments: bytes = b"", minor: int = 0, count: int = 1) -> bytes:
    return call(1, string(b"") + pack("!2I", minor, count) + pack("!I", operation) + arguments)


def set_client_id(
    net_id: bytes = OWN[4][0],
    address: bytes = OWN[4][1],
    identity: bytes = b"Linux NFSv4.0 c",
    before: Sequence[bytes] = (),
) -> bytes:
    """`before`: the operations that precede it."""
    callback = pack("!I", 0x40000000) + string(net_id) + string(address) + pack("!I", 1)
    operation = pack("!I", 35) + bytes(8) + string(identity) + callback
    operations = pack("!2I", 0, len(before) + 1) + b"".join(before) + operation
    return call(1, string(b"") + operations)


#: operations with their arguments
ROOT, PUBLIC = pack("!I", 24), pack("!I", 23)
LEASE_TIME = pack("!3I", 9, 1, 1 << 10)


CONFIRM = compound(36, bytes(16))
PUTROOTFH = compound(24)
NULL = call(0)


def called_back(play: Playbook, span: tuple[int, int], port: int = PORT) -> Expect:
    return Expect(
        play.server, play.client.at(port), span=span, permanent=True, trigger="SETCLIENTID"
    )
