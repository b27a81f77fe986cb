from __future__ import annotations

from typing import Any

import pytest

from fwhelpers.engine.mangle import MAX_PACKET
from fwhelpers.engine.verdict import ACCEPT, Verdict
from fwhelpers.kernel import labels, nfnl, nfqueue
from fwhelpers.kernel.conntrack import CTA_LABELS, CTA_LABELS_MASK, Conntrack, Tuple
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nla import parse
from fwhelpers.kernel.socket import BATCH, QueueSocket
from fwhelpers.testing.queued_packet import QueuedPacket
from fwhelpers.worker.verdict_batch import MAX_SEND, VerdictBatch

ORIG = Tuple(bytes(4), bytes(4), 6, 40000, 21)
NFQA_CT = 11  # enum nfqnl_attr_type
QUEUED = QueuedPacket(b"", Conntrack(ORIG, ORIG, helper="fw-ftp"), 0)


class FakeSocket:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)


def sent(*verdicts: tuple[int, Verdict]) -> list[tuple[str, int, int]]:
    """The messages to the kernel in their order: kind, packet id, verdict."""
    sock: Any = FakeSocket()
    batch = VerdictBatch(sock, 1000)
    for number, verdict in verdicts:
        (packet,) = nfqueue.parse_packets(memoryview(QUEUED.message(number)))
        batch.add(packet, verdict)
    batch.flush()
    (data,) = sock.sent  # one system call for all of them
    messages = []
    for message in nfnl.split(data):
        header = bytes(parse(message.payload)[2])
        kind = {1: "one", 3: "batch"}[message.kind]
        messages.append(
            (kind, int.from_bytes(header[4:], "big"), int.from_bytes(header[:4], "big"))
        )
    return messages


def test_untouched_packets_are_accepted_by_one_message() -> None:
    assert sent((1, ACCEPT), (2, ACCEPT), (3, Verdict())) == [("batch", 3, 1)]


def test_no_packet_overtakes_another() -> None:
    drop, again = Verdict(accept=False), Verdict(repeat=True)
    assert sent((1, ACCEPT), (2, drop), (3, ACCEPT), (4, ACCEPT), (5, again), (6, ACCEPT)) == [
        ("batch", 1, 1),
        ("one", 2, 0),
        ("batch", 4, 1),
        ("one", 5, 4),
        ("batch", 6, 1),
    ]


@pytest.mark.parametrize("sizes", [[MAX_PACKET] * 16, [60000, 100] * 8, [9000] * 16, [100] * 16])
def test_no_message_is_longer_than_a_send_buffer(sizes: list[int]) -> None:
    """One client behind NAT may send rewritten datagrams of 64 KiB one after another."""
    sock: Any = FakeSocket()
    batch = fill(VerdictBatch(sock, 1000), sizes)
    batch.flush()
    assert all(len(data) <= MAX_SEND or len(list(nfnl.split(data))) == 1 for data in sock.sent)
    messages = [message for data in sock.sent for message in nfnl.split(data)]
    numbers = [bytes(parse(message.payload)[2])[4:] for message in messages]
    assert numbers == [n.to_bytes(4, "big") for n in range(1, len(sizes) + 1)]
    assert len(sock.sent) <= 1 + 2 * sum(sizes) // MAX_SEND
    batch.flush()
    assert sum(len(list(nfnl.split(data))) for data in sock.sent) == len(sizes)


def test_the_kernel_takes_a_batch_of_the_largest_packets() -> None:
    try:
        sock = QueueSocket()
    except NetlinkError as error:
        pytest.skip(str(error))
    try:
        fill(VerdictBatch(sock, 1000), [MAX_PACKET] * BATCH).flush()
    finally:
        sock.close()


def fill(batch: VerdictBatch, sizes: list[int]) -> VerdictBatch:
    for number, size in enumerate(sizes, start=1):
        (packet,) = nfqueue.parse_packets(memoryview(QUEUED.message(number)))
        verdict = Verdict()
        verdict.payload = bytes(size)
        batch.add(packet, verdict)
    return batch


def test_labels_of_a_position_and_of_the_end() -> None:
    """A flow that ends takes its position back with the same verdict."""
    position = labels.position_field(1, 2)
    verdict = Verdict()
    verdict.labels = position
    assert changed_labels(verdict) == (position, labels.POSITION_MASK)
    done = labels.bits(labels.DONE)
    verdict = Verdict(done=True)
    assert changed_labels(verdict) == (done, done)
    verdict.labels = labels.bits()
    assert changed_labels(verdict) == (done, labels.union(labels.POSITION_MASK, done))


def test_labels_of_a_connection_that_expectations_outlive() -> None:
    verdict = Verdict()
    verdict.outlived = True
    outlived = labels.bits(labels.OUTLIVED)
    assert changed_labels(verdict) == (outlived, outlived)
    verdict.done = True
    both = labels.bits(labels.DONE, labels.OUTLIVED)
    assert changed_labels(verdict) == (both, both)


def changed_labels(verdict: Verdict) -> tuple[bytes, bytes]:
    """Value and mask in the message to the kernel."""
    sock: Any = FakeSocket()
    batch = VerdictBatch(sock, 1000)
    (packet,) = nfqueue.parse_packets(memoryview(QUEUED.message(1)))
    batch.add(packet, verdict)
    batch.flush()
    (message,) = nfnl.split(sock.sent[0])
    changes = parse(parse(message.payload)[NFQA_CT])
    return bytes(changes[CTA_LABELS]), bytes(changes[CTA_LABELS_MASK])
