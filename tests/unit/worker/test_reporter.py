"""The worker's reports: all are counted, and sent within a bound."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from fwhelpers.api import Endpoint, Flow
from fwhelpers.engine.expectation_key import ExpectationId, key_of
from fwhelpers.engine.registry import MAX_ALIVE
from fwhelpers.engine.verdict import Report
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.worker.messages import (
    Counters,
    FlowReport,
    Message,
    Problem,
    Ready,
    ReportKind,
    SandboxGaps,
    Suppressed,
    decode,
    split,
)
from fwhelpers.worker.reporter import (
    COUNTERS_INTERVAL,
    MAX_BATCH,
    RENEWALS_A_SECOND,
    REPORTS_A_SECOND,
    Reporter,
)

FLOW = Flow("tcp", Endpoint.parse("10.0.1.2", 1), Endpoint.parse("10.0.2.2", 21))
REFUSAL = Report("refused", "fw-ftp", FLOW, "below 1024", "G6")


class Channel(NamedTuple):
    worker: socket.socket
    manager: socket.socket

    def messages(self) -> list[Message]:
        messages = []
        while True:
            try:
                messages += map(decode, split(self.manager.recv(1 << 20)))
            except BlockingIOError:
                return messages


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def channel() -> Iterator[Channel]:
    pair = Channel(*socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    for end in pair:
        end.setblocking(False)
    yield pair
    for end in pair:
        end.close()


def test_reports_are_all_counted_and_sent_within_the_bound(channel: Channel) -> None:
    reporter = Reporter(channel.worker, Clock())
    messages: list[Message] = []
    for _ in range(5 * REPORTS_A_SECOND):
        reporter(REFUSAL)
        messages += channel.messages()
    reporter.send_reports()
    messages += channel.messages()
    assert len(messages) == REPORTS_A_SECOND
    reporter.flush()
    assert channel.messages() == [Counters({"fw-ftp": {"refused": 5 * REPORTS_A_SECOND}})]


def test_refusals_do_not_suppress_expectations(channel: Channel) -> None:
    reporter = Reporter(channel.worker, Clock())
    for _ in range(10 * REPORTS_A_SECOND):
        reporter(REFUSAL)
    reporter.send_reports()
    channel.messages()
    reporter(Report("expected", "fw-ftp", FLOW))
    reporter.send_reports()
    (report,) = channel.messages()
    assert isinstance(report, FlowReport)
    assert report.kind is ReportKind.EXPECTED


def test_the_manager_decodes_every_message(channel: Channel) -> None:
    reporter = Reporter(channel.worker, Clock())
    expected = Tuple(bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2]), 6, 0, 2000)
    master = expected._replace(sport=1, dport=21)
    expectation = Expectation(master, expected, mask_for(expected), zone=7, timeout=60)
    reporter(
        Report("expected", "fw-ftp", FLOW, expectation=expectation, trigger="EPSV", interface=3)
    )
    reporter(Report("refused", "fw-ftp", FLOW, "below 1024", "G6", None, FLOW.server, "PORT"))
    reporter(Report("failed", "fw-ftp", FLOW, "KeyError: 'bug'"))
    reporter.flush()
    reporter.problem("helper x is no longer installed")
    reporter.sandbox_gaps(["Landlock unavailable: not in this kernel"])
    reporter.sandbox_gaps([])
    reporter.ready()
    *messages, ready = channel.messages()
    ends = "10.0.1.2:1", "10.0.2.2:21", "tcp"
    text = "tcp 10.0.1.2 → 10.0.2.2:2000 for 60 s, once"
    identity = ExpectationId(key_of(expectation), master)
    assert messages == [
        FlowReport(
            ReportKind.EXPECTED, "fw-ftp", *ends, trigger="EPSV", expected=text, interface=3,
            timeout=60, expectation=identity,
        ),
        FlowReport(
            ReportKind.REFUSED, "fw-ftp", *ends, "below 1024", "G6", "PORT", "10.0.2.2:21"
        ),
        FlowReport(ReportKind.FAILED, "fw-ftp", *ends, "KeyError: 'bug'"),
        Counters({"fw-ftp": {"expected": 1, "refused": 1, "failed": 1}}),
        Problem("helper x is no longer installed"),
        SandboxGaps(("Landlock unavailable: not in this kernel",)),
    ]  # fmt: skip
    assert isinstance(ready, Ready)


def test_the_number_of_suppressed_reports_is_sent_when_the_second_is_over(channel: Channel) -> None:
    clock = Clock()
    reporter = Reporter(channel.worker, clock)
    for _ in range(REPORTS_A_SECOND + 7):
        reporter(REFUSAL)
        channel.messages()
    reporter.flush()
    assert not any(isinstance(message, Suppressed) for message in channel.messages())
    clock.now += 1
    reporter.flush()
    reporter.flush()
    assert channel.messages() == [Suppressed(7)]


def test_counters_are_sent_at_intervals_and_at_the_end(channel: Channel) -> None:
    clock = Clock()
    reporter = Reporter(channel.worker, clock)

    def counted() -> list[int]:
        sent = [m for m in channel.messages() if isinstance(m, Counters)]
        return [message.totals["fw-ftp"]["refused"] for message in sent]

    for _ in range(3):
        reporter(REFUSAL)
        reporter.flush()
    assert counted() == [1]
    clock.now += COUNTERS_INTERVAL
    reporter.flush()
    reporter.flush()
    assert counted() == [3]
    reporter(REFUSAL)
    reporter.flush(final=True)
    assert counted() == [4]


def test_reports_are_sent_together(channel: Channel) -> None:
    reporter = Reporter(channel.worker, Clock())
    for _ in range(3):
        reporter(REFUSAL)
    assert channel.messages() == []
    reporter.send_reports()
    assert len(split(channel.manager.recv(1 << 20))) == 3
    for _ in range(MAX_BATCH):
        reporter(REFUSAL)
    assert len(channel.messages()) == MAX_BATCH


def test_reports_that_the_manager_does_not_take_are_counted(channel: Channel) -> None:
    clock = Clock()
    reporter = Reporter(channel.worker, clock)
    while reporter._send(Problem("x" * 1000)):
        pass
    reporter(REFUSAL)
    reporter(REFUSAL)
    reporter.send_reports()
    channel.messages()
    clock.now += 1
    reporter.flush()
    assert Suppressed(2) in channel.messages()


def test_renewals_wait_for_a_slow_manager(channel: Channel) -> None:
    reporter = Reporter(channel.worker, Clock())
    while reporter._send(Problem("x" * 1000)):
        pass
    for _ in range(2 * MAX_BATCH):
        reporter(Report("renewed", "fw-ftp", FLOW))
        reporter(REFUSAL)
    channel.messages()
    reporter.flush()
    sent = [m.kind for m in channel.messages() if isinstance(m, FlowReport)]
    assert sent == [ReportKind.RENEWED] * (MAX_BATCH - 1)


def report_of(kind: str, port: int) -> Report:
    expected = Tuple(bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2]), 6, 0, port)
    expectation = Expectation(expected, expected, mask_for(expected))
    return Report(kind, "fw-ftp", FLOW, expectation=expectation)


def reported_ports(messages: list[Message]) -> list[int]:
    reports = [m for m in messages if isinstance(m, FlowReport)]
    return [m.expectation.key.expected.dport for m in reports if m.expectation]


@pytest.mark.parametrize(
    ("kind", "budget"), [("expected", REPORTS_A_SECOND), ("renewed", RENEWALS_A_SECOND)]
)
def test_what_the_manager_must_know_waits_for_the_next_second(
    channel: Channel, kind: str, budget: int
) -> None:
    """If the worker dies, the manager ends early what it knows of, and the successor counts that."""
    clock = Clock()
    reporter = Reporter(channel.worker, clock)
    ports = range(2000, 2000 + budget + 3)
    read: list[Message] = []
    for port in [*ports, ports[-1]]:
        reporter(report_of(kind, port))
        read += channel.messages()
    reporter.flush()
    read += channel.messages()
    assert reported_ports(read) == list(ports[:-3])
    clock.now += 1
    reporter(report_of(kind, ports[-1]))
    reporter.flush()
    read = channel.messages()
    assert reported_ports(read) == [ports[-1], *ports[-3:-1]], "the last one is outdated"
    assert all(not isinstance(message, Suppressed) for message in read)


@pytest.mark.parametrize("field", ["zone", "mask", "master"])
def test_expectations_with_equal_tuples_wait_side_by_side(channel: Channel, field: str) -> None:
    """Networks in two zones may have equal addresses, and two clients the same source port."""
    clock = Clock()
    reporter = Reporter(channel.worker, clock)
    for port in range(2000, 2000 + REPORTS_A_SECOND):
        reporter(report_of("expected", port))
        channel.messages()
    first, second = report_of("expected", 4000), report_of("expected", 4000)
    assert first.expectation is not None
    assert second.expectation is not None
    other = first.expectation.master._replace(dst=bytes([10, 0, 2, 3]))
    values = {"zone": 1, "mask": mask_for(first.expectation.tuple, 0, 24), "master": other}
    setattr(second.expectation, field, values[field])
    reporter(first)
    reporter(second)
    clock.now += 1
    reporter.flush()
    assert reported_ports(channel.messages())[-2:] == [4000, 4000]


@pytest.mark.parametrize("kind", ["expected", "renewed"])
def test_what_waits_is_bounded_and_the_rest_is_counted(channel: Channel, kind: str) -> None:
    clock = Clock()
    reporter = Reporter(channel.worker, clock)
    read: list[Message] = []
    for port in range(1, 5001):
        reporter(report_of(kind, port))
        read += channel.messages()
    for _ in range(12):
        clock.now += 1
        reporter.flush()
        read += channel.messages()
    counts = [message.count for message in read if isinstance(message, Suppressed)]
    ports = reported_ports(read)
    assert len(ports) + sum(counts) == 5000
    assert sorted(ports)[-MAX_ALIVE:] == list(range(5001 - MAX_ALIVE, 5001)), "the latest wait"


def test_a_manager_that_does_not_read_does_not_block(channel: Channel) -> None:
    reporter = Reporter(channel.worker)
    for _ in range(5000):
        reporter.problem("x" * 1000)
    reporter(Report("done", "fw-ftp", FLOW))
    reporter.flush()
