"""The socket filter, run by a small interpreter of its own instructions, and by the kernel over a socket pair."""

from __future__ import annotations

import ctypes
import socket
import struct

import pytest

from fwhelpers.kernel import conntrack, expect, nfnl
from fwhelpers.kernel.bpf import commit_events, helper_events
from fwhelpers.kernel.conntrack import CTA_STATUS, Tuple, encode_tuple
from fwhelpers.kernel.nla import be32

ORIG = Tuple(bytes(4), bytes(4), 6, 1, 2)


def event(status: int | None) -> bytes:
    body = encode_tuple(1, ORIG) + (b"" if status is None else be32(CTA_STATUS, status))
    return nfnl.message(nfnl.CTNETLINK, conntrack.NEW, 0, body, family=2)


def interpret(program: bytes, data: bytes) -> int:
    """What the filter says of a message: how many bytes to keep."""
    code = list(struct.iter_unpack("=HBBI", program))
    a = x = at = 0
    while True:
        operation, true, false, k = code[at]
        at += 1
        if operation == 0x30:
            a = data[k]
        elif operation == 0x20:
            assert k == 0xFFFFF000 + 12
            a = find(data, a, x)
        elif operation == 0x40:
            a = int.from_bytes(data[x + k : x + k + 4], "big")
        elif operation in (0x00, 0x01):
            a, x = (k, x) if operation == 0 else (a, k)
        elif operation == 0x07:
            x = a
        elif operation in (0x15, 0x45):
            at += true if (a == k if operation == 0x15 else a & k) else false
        else:
            assert operation == 0x06
            return k


def find(data: bytes, at: int, kind: int) -> int:
    while at + 4 <= len(data):
        size, here = struct.unpack_from("=HH", data, at)
        if here & 0x3FFF == kind:
            return at
        at += (size + 3) & ~3
    return 0


@pytest.mark.parametrize(
    ("message", "passes"),
    [
        (event(0x1), True),  # was expected
        (event(0x2008), True),  # has a helper
        (event(0x18E), False),
        (event(None), False),
        (expect.encode_dump(), True),
    ],
)
def test_what_passes(message: bytes, passes: bool) -> None:
    assert bool(interpret(helper_events(), message)) == passes


@pytest.mark.parametrize(
    ("subsystem", "kind", "passes"),
    [(nfnl.NFTABLES, 15, True), (nfnl.NFTABLES, 0, False), (nfnl.CTNETLINK, 15, False)],
)
def test_of_nftables_only_the_ends_of_transactions_pass(
    subsystem: int, kind: int, passes: bool
) -> None:
    assert bool(interpret(commit_events(), nfnl.message(subsystem, kind, 0))) == passes


@pytest.mark.parametrize(("status", "arrives"), [(0x1, True), (0x18E, False)])
def test_the_kernel_takes_the_program(status: int, arrives: bool) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        program = helper_events()
        code = ctypes.create_string_buffer(program, len(program))
        head = struct.pack("HP", len(program) // 8, ctypes.addressof(code))
        ours.setsockopt(socket.SOL_SOCKET, 26, head)
        ours.setblocking(False)
        theirs.send(event(status))  # unix_dgram_sendmsg: what is filtered out is no error
        if arrives:
            assert ours.recv(4096) == event(status)
        else:
            with pytest.raises(BlockingIOError):
                ours.recv(4096)
