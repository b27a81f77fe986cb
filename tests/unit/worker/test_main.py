from __future__ import annotations

import json
import os
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from fwhelpers.api import Endpoint, Flow
from fwhelpers.engine.expectation_key import ExpectationId, key_of
from fwhelpers.engine.verdict import ACCEPT, Report, Verdict
from fwhelpers.kernel import nfnl
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.kernel.nla import parse
from fwhelpers.worker import messages
from fwhelpers.worker.config import WorkerConfig
from fwhelpers.worker.main import NOTES_A_SECOND, Reporter, VerdictBatch
from fwhelpers.worker.shared_memory import HandoverFile, SharedStats

FLOW = Flow("tcp", Endpoint.parse("10.0.1.2", 1), Endpoint.parse("10.0.2.2", 21))


class FakeSocket:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)


def answered(*verdicts: tuple[int, Verdict]) -> list[tuple[str, int, int]]:
    """What went to the kernel, in order: kind of message, packet id, verdict."""
    sock: Any = FakeSocket()
    answers = VerdictBatch(sock, 1000)
    for number, verdict in verdicts:
        packet: Any = SimpleNamespace(id=number, helper="fw-ftp")
        answers.add(packet, verdict)
    answers.flush()
    assert len(sock.sent) == 1, "one system call for all of them"
    out = []
    for message in nfnl.split(sock.sent[0]):
        header = bytes(parse(message.payload)[2])
        verdict = int.from_bytes(header[:4], "big")
        out.append(
            ({1: "one", 3: "batch"}[message.kind], int.from_bytes(header[4:], "big"), verdict)
        )
    return out


def test_untouched_packets_are_answered_together() -> None:
    assert answered((1, ACCEPT), (2, ACCEPT), (3, Verdict())) == [("batch", 3, 1)]


def test_no_packet_overtakes_another() -> None:
    drop, again = Verdict(accept=False), Verdict(repeat=True)
    assert answered((1, ACCEPT), (2, drop), (3, ACCEPT), (4, ACCEPT), (5, again), (6, ACCEPT)) == [
        ("batch", 1, 1),
        ("one", 2, 0),
        ("batch", 4, 1),
        ("one", 5, 4),
        ("batch", 6, 1),
    ]


def test_the_page_is_seen_from_both_sides() -> None:
    ours = SharedStats.create()
    theirs = SharedStats(os.dup(ours.fd))
    theirs.last_id, theirs.packets = 7, 9
    theirs.beat()
    ours.read()
    assert (ours.beats, ours.last_id, ours.packets) == (1, 7, 9)
    ours.close()
    theirs.close()


@pytest.fixture
def control() -> Any:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


def received(sock: socket.socket) -> list[dict[str, Any]]:
    found = []
    while True:
        try:
            found.append(json.loads(sock.recv(1 << 20)))
        except BlockingIOError:
            return found


def test_news_are_counted_all_and_told_within_bounds(control: Any) -> None:
    ours, theirs = control
    news = Reporter(ours)
    told = 0
    for _ in range(5 * NOTES_A_SECOND):
        news(Report("refused", "fw-ftp", FLOW, "below 1024", "G6"))
        told += len(received(theirs))
    assert NOTES_A_SECOND <= told <= 2 * NOTES_A_SECOND
    news.report()
    assert received(theirs)[-1] == {"counts": {"fw-ftp": {"refused": 5 * NOTES_A_SECOND}}}


def test_who_makes_us_refuse_does_not_hide_what_is_opened(control: Any) -> None:
    ours, theirs = control
    news = Reporter(ours)
    for _ in range(10 * NOTES_A_SECOND):
        news(Report("refused", "fw-ftp", FLOW, "below 1024", "G6"))
        received(theirs)
    news(Report("expected", "fw-ftp", FLOW))
    assert [message["note"]["kind"] for message in received(theirs)] == ["expected"]


def test_the_manager_understands_all_of_it(control: Any) -> None:
    ours, theirs = control
    news = Reporter(ours)
    expected = Tuple(bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2]), 6, 0, 2000)
    master = expected._replace(sport=1, dport=21)
    made = Expectation(master, expected, mask_for(expected), zone=7)
    news(Report("expected", "fw-ftp", FLOW, expectation=made, what="EPSV", interface=3))
    news(Report("refused", "fw-ftp", FLOW, "below 1024", "G6", None, FLOW.server, "PORT"))
    news(Report("failed", "fw-ftp", FLOW, "KeyError: 'bug'"))
    news.report()
    news.ready()
    news.problem("helper x is not there any more")
    news.lacking(["Landlock: not in this kernel"])
    datagrams = [theirs.recv(1 << 20) for _ in range(7)]
    read = [messages.read(datagram) for datagram in datagrams]
    assert read == [json.loads(datagram) for datagram in datagrams]
    first: Any = read[0]
    assert messages.decode_made(first["note"]["made"]) == ExpectationId(key_of(made), master)


def test_how_much_was_not_told_is_told(control: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = control
    now = 100.0
    monkeypatch.setattr("fwhelpers.worker.main.time.monotonic", lambda: now)
    news = Reporter(ours)
    for _ in range(NOTES_A_SECOND + 7):
        news(Report("refused", "fw-ftp", FLOW, "below 1024", "G6"))
        received(theirs)
    news.report()
    assert not any("untold" in message for message in received(theirs)), "the second is not over"
    now = 101.0
    news.report()
    news.report()
    assert received(theirs) == [{"untold": 7}]


def test_a_successor_finds_what_was_left_once() -> None:
    fd = os.memfd_create("flows")
    assert HandoverFile(fd).left == b""
    HandoverFile(fd).leave(b"a flow\n" * 1000)
    second = HandoverFile(fd)
    assert second.left == b"a flow\n" * 1000
    assert HandoverFile(fd).left == b"", (
        "a worker that crashes leaves nothing, least of all its predecessor's"
    )
    os.close(fd)


def test_what_needs_another_worker() -> None:
    order = WorkerConfig({"ftp": {}}, ("bad",), ("fwhelpers ftp",))
    assert order.same_code(WorkerConfig({}, ("bad",), ("fwhelpers ftp",), disable_at_end=True))
    assert not order.same_code(WorkerConfig({"ftp": {}}, (), ("fwhelpers ftp",)))
    assert not order.same_code(WorkerConfig({"ftp": {}}, ("bad",), ("fwhelpers ftp", "new new")))


def test_a_manager_that_does_not_read_stops_nobody(control: Any) -> None:
    ours, _ = control
    news = Reporter(ours)
    for _ in range(5000):
        news.problem("x" * 1000)
    news(Report("done", "fw-ftp", FLOW))
    news.report()
