"""What is encoded here, the worker's decoder reads."""

from __future__ import annotations

import pytest

from fwhelpers.kernel import labels
from fwhelpers.kernel.conntrack import NO_ADJUSTMENT, Conntrack, SeqAdjustment, Tuple
from fwhelpers.kernel.nfqueue import LOCAL_IN
from fwhelpers.testing.queued_packet import QueuedPacket, ctinfo

ORIG = Tuple(bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2)), 17, 900, 111)
REPLY = Tuple(ORIG.dst, ORIG.src, 17, 111, 900)
ENTRY = Conntrack(
    ORIG, REPLY, 0x2008, 29, id=7, zone=3, helper="rpc", info=b"i" * 32, labels=labels.bits(122)
)


def test_packet_and_entry() -> None:
    moved = SeqAdjustment(2**32 - 5, -3, 4)
    queued = QueuedPacket(b"\x45data", ENTRY, 3, LOCAL_IN, 4, 5, (NO_ADJUSTMENT, moved))
    packet = queued.decode()
    assert (bytes(packet.payload), packet.ctinfo, packet.hook) == (b"\x45data", 3, LOCAL_IN)
    assert (packet.indev, packet.outdev, packet.hw_protocol) == (4, 5, 0x0800)
    assert (packet.orig, packet.reply) == (ORIG, REPLY)
    assert (packet.ct_id, packet.status, packet.timeout, packet.zone) == (7, 0x2008, 29, 3)
    assert (packet.helper, packet.info, packet.labels) == ("rpc", b"i" * 32, labels.bits(122))
    assert packet.seq_adjustment(True)[1:] == (-3, 4)
    assert packet.seq_adjustment(False) == NO_ADJUSTMENT


def test_ipv6_and_an_entry_without_helper() -> None:
    packet = QueuedPacket(b"\x60data", Conntrack(ORIG, REPLY), 2).decode()
    assert packet.hw_protocol == 0x86DD
    assert (packet.helper, packet.info, packet.labels, packet.zone) == ("", b"", b"", 0)


@pytest.mark.parametrize(
    ("status", "reply", "expected"), [(0, False, 2), (8, False, 0), (8, True, 3)]
)
def test_ctinfo(status: int, reply: bool, expected: int) -> None:
    assert ctinfo(Conntrack(ORIG, REPLY, status), reply) == expected
