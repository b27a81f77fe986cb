"""The stream of events: from kernel and workers to the ring buffer, and its reports of losses."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from fwhelpers.api import DatagramParser, Helper
from fwhelpers.engine.expectation_key import ExpectationId, key_of
from fwhelpers.events import stream as module
from fwhelpers.events.attribution import HOLD
from fwhelpers.events.serialize import InstalledHelpers, Loss
from fwhelpers.events.stream import EventStream, Item
from fwhelpers.events.tracker import EventKind
from fwhelpers.kernel import conntrack, expect, nfnl
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.kernel.nfnl import Message
from fwhelpers.kernel.nla import be32, strz
from fwhelpers.worker.messages import Counters, FlowReport, ReportKind, Restarted

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
NO_HELPERS = InstalledHelpers({}, {})  # events of foreign helpers are not held
MASTER = Tuple(CLIENT, SERVER, 6, 40000, 21)
REPLY = Tuple(SERVER, CLIENT, 6, 21, 40000)


def expectation(port: int) -> Expectation:
    destination = Tuple(CLIENT, SERVER, 6, 0, port)
    return Expectation(
        MASTER, destination, mask_for(destination), timeout=60, helper="fw-ftp", id=port
    )


def body(expectation: Expectation) -> bytes:
    (sent,) = nfnl.split(expect.encode_create(expectation))
    return (
        bytes(sent.payload)
        + be32(4, expectation.timeout)
        + be32(5, expectation.id)
        + strz(6, expectation.helper)
    )


def event(expectation: Expectation, kind: int = expect.NEW) -> Message:
    payload = memoryview(body(expectation))
    return Message(nfnl.CTNETLINK_EXP << 8 | kind, nfnl.CREATE, 0, 2, 0, payload)


def entry(
    orig: Tuple, reply: Tuple, status: int, kind: int, master: Tuple | None = None
) -> Message:
    parts = (
        conntrack.encode_tuple(1, orig) + conntrack.encode_tuple(2, reply) + be32(3, status)
        + (conntrack.encode_tuple(14, master) if master else b"")
    )  # fmt: skip
    return Message(nfnl.CTNETLINK << 8 | kind, 0, 0, 2, 0, memoryview(parts))


class Netlink:
    """A kernel that has these expectations, and one connection."""

    def __init__(self, live: list[Expectation] = []) -> None:  # noqa: B006
        self.live = live

    def dump(self, message: bytes, name: str) -> Iterator[bytes]:
        return iter([*map(body, self.live), b"\0\0"])

    def request(self, message: bytes, name: str = "") -> list[bytes]:
        (request,) = nfnl.split(message)
        if request.subsystem == nfnl.CTNETLINK_EXP:
            if request.kind == expect.DELETE:
                self.live.clear()
            return [body(expectation) for expectation in self.live]
        return [bytes(entry(MASTER, REPLY, 0x2000, 0).payload)]

    def request_all(self, messages: list[bytes]) -> list[int]:
        for message in messages:
            self.request(message)
        return [0] * len(messages)

    def close(self) -> None:
        pass


class Source:
    """An event socket that has these."""

    def __init__(self, messages: list[Message | None]) -> None:
        self._messages = messages

    def read(self) -> Iterator[Message | None]:
        while self._messages:
            yield self._messages.pop(0)


@pytest.fixture
def events() -> EventStream:
    new = EventStream()
    new.ring.readers = 1
    new.set_installed(
        InstalledHelpers({"fw-ftp": Helper("ftp", "tcp", [21], DatagramParser)}, {"ftp": "plug"})
    )
    return new


def kinds(events: EventStream) -> list[str]:
    return [item.kind for item in events.ring.read(0, 1000).items]


def read(events: EventStream, messages: list[Message | None], live: list[Expectation]) -> None:
    events._source = Source(messages)  # type: ignore[assignment]
    events._netlink = Netlink(live)  # type: ignore[assignment]
    events._read()


def test_events_that_follow_each_other_are_read_together(events: EventStream) -> None:
    events.set_installed(NO_HELPERS)
    ours, theirs = socket.socketpair()
    waiting: list[Message | None] = []
    reads = []

    class Polled(Source):
        def fileno(self) -> int:
            return ours.fileno()

        def read(self) -> Iterator[Message | None]:
            ours.recv(100)
            reads.append(len(waiting))
            return super().read()

        def close(self) -> None:
            ours.close()

    async def scenario() -> None:
        events._source = Polled(waiting)  # type: ignore[assignment]
        asyncio.get_running_loop().add_reader(ours.fileno(), events._collect)
        for ports in ((2000, 2001, 2002), (2003,)):
            for port in ports:
                waiting.append(event(expectation(port)))
                theirs.send(b"x")
                await asyncio.sleep(0)
            await asyncio.wait_for(events.ring.wait(events.ring.end + len(ports) - 1), 60)
        events.close()
        theirs.close()

    asyncio.run(scenario())
    assert reads == [3, 1]
    assert kinds(events) == ["created"] * 4


def test_an_error_of_one_event_is_not_the_last(events: EventStream) -> None:
    events.set_installed(NO_HELPERS)
    ours, theirs = socket.socketpair()

    class Failing(Source):
        def fileno(self) -> int:
            return ours.fileno()

        def read(self) -> Iterator[Message | None]:
            if ours.recv(1) == b"e":
                raise OSError("not ENOBUFS")
            return super().read()

        def close(self) -> None:
            ours.close()

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        events._source = Failing([event(expectation(2000))])  # type: ignore[assignment]
        loop.add_reader(ours.fileno(), events._collect)
        theirs.send(b"en")
        await asyncio.wait_for(events.ring.wait(0), 60)
        events.close()
        theirs.close()

    asyncio.run(scenario())
    assert kinds(events) == ["created"]


def test_a_transfer(events: EventStream) -> None:
    events.set_installed(NO_HELPERS)
    read(events, used_at_once(2000), [])
    assert kinds(events) == ["created", "matched"]
    created, matched = events.ring.read(0, 2).items
    assert events.serialize(created)["master"]["reply_destination_port"] == 40000
    assert events.serialize(matched)["connection"]["source_port"] == 5
    assert events.pop_counters() == {"fw-ftp": {"created": 1, "matched": 1}}
    assert events.pop_counters() == {}
    (tracked,) = events.expectations()
    assert events.serialize_expectation(tracked)["state"] == "matched"
    connection = expectation(2000).tuple._replace(sport=5)
    back = Tuple(SERVER, CLIENT, 6, 2000, 5)
    read(events, [entry(connection, back, 1, conntrack.DELETE)], [])
    assert events.expectations() == []


def test_lost_events_are_reported_and_a_dump_replaces_them(events: EventStream) -> None:
    events.set_installed(NO_HELPERS)
    read(events, [event(expectation(1)), None], [expectation(2)])
    assert kinds(events) == ["created", "lost", "withdrawn", "created"]
    lost = events.ring.read(1, 1).items[0]
    assert events.serialize(lost) == {"stage": "kernel", "count": 0, "resynced": True}


def test_a_burst_leaves_time_for_other_tasks(events: EventStream) -> None:
    messages: list[Message | None] = [event(expectation(n)) for n in range(1, 1001)]
    read(events, messages, [])
    assert len(messages) == 1000 - module.MAX_BURST


def test_an_unreadable_event_is_logged_and_skipped(
    events: EventStream, caplog: pytest.LogCaptureFixture
) -> None:
    events.set_installed(NO_HELPERS)
    broken = event(expectation(1))._replace(payload=memoryview(b"\0\0"))
    read(events, [broken, event(expectation(2))], [])
    assert kinds(events) == ["created"]
    assert "unreadable event" in caplog.text


def test_an_unknown_reply_direction_is_looked_up(events: EventStream) -> None:
    events.set_installed(NO_HELPERS)
    read(events, [event(expectation(1))], [])
    (item,) = events.ring.read(0, 1).items
    assert events.serialize(item)["master"]["reply_source"] == "10.0.2.2"


REFUSED = FlowReport(ReportKind.REFUSED, "fw-ftp", "c", "s", "tcp", "r", "G6", "PASV", "e")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (ReportKind.POISONED, ["abandoned"]),
        (ReportKind.FAILED, ["abandoned"]),
        (ReportKind.DONE, []),
    ],
)
def test_connections_that_are_given_up_are_events(
    events: EventStream, kind: ReportKind, expected: list[str]
) -> None:
    events.on_worker_message(1000, replace(REFUSED, kind=kind), 0.0)
    assert kinds(events) == expected


def used_at_once(port: int) -> list[Message | None]:
    """All that the kernel tells of an expectation that a connection takes at once."""
    data = expectation(port).tuple._replace(sport=5)
    back = Tuple(SERVER, CLIENT, 6, port, 5)
    return [
        entry(MASTER, REPLY, 0x2000, conntrack.NEW),
        event(expectation(port)),
        event(expectation(port), expect.DELETE),
        entry(data, back, 1, conntrack.NEW, MASTER),
    ]


def report(port: int) -> FlowReport:
    identity = ExpectationId(key_of(expectation(port)), MASTER)
    return replace(REFUSED, kind=ReportKind.EXPECTED, expectation=identity)


@pytest.mark.parametrize("worker_first", [False, True])
def test_a_report_may_come_before_and_after_the_expectation_ends(
    events: EventStream, worker_first: bool
) -> None:
    if worker_first:
        events.on_worker_message(1000, report(2000), 0.0)
    read(events, used_at_once(2000), [])
    if not worker_first:
        assert kinds(events) == []
        events.on_worker_message(1000, report(2000), 0.1)
    items = events.ring.read(0, 10).items
    assert [(item.kind, events.serialize(item)["announcement"]) for item in items] == [
        ("created", "PASV"), ("matched", "PASV"),
    ]  # fmt: skip


def test_a_renewal_before_the_creation_is_read(events: EventStream) -> None:
    """The worker's channel may be read before the kernel's."""
    events._source = Source([event(expectation(2000))])  # type: ignore[assignment]
    events.on_worker_message(1000, report(2000), 0.0)
    renewal = replace(report(2000), kind=ReportKind.RENEWED, timeout=500, trigger="events")
    events.on_worker_message(1000, renewal, 1.0)
    assert kinds(events) == ["created", "renewed"]
    (tracked,) = events.expectations()
    assert (tracked.until, tracked.trigger) == (502.0, "events")
    assert events.serialize(events.ring.read(0, 2).items[1])["timeout"] == 500


def test_without_a_report_events_pass_after_a_while(events: EventStream) -> None:
    read(events, used_at_once(2000), [])
    assert kinds(events) == []
    events.advance(time.monotonic() + HOLD)
    assert kinds(events) == ["created", "matched"]
    assert events.pop_counters() == {"ftp": {"created": 1, "matched": 1}}


def test_a_refusal(events: EventStream) -> None:
    events.on_worker_message(1000, REFUSED, 0.0)
    (refused,) = events.ring.read(0, 10).items
    assert events.serialize(refused)["rule"] == "G6"


def test_suppressed_refusals_are_reported_as_lost(events: EventStream) -> None:
    events.on_worker_message(1000, REFUSED, 0.0)
    events.on_worker_message(1000, Counters({"fw-ftp": {"refused": 5, "expected": 9}}), 0.0)
    events.on_worker_message(1000, Counters({"fw-ftp": {"refused": 5}}), 0.0)
    assert kinds(events) == ["refused", "lost"]
    assert events.serialize(events.ring.read(1, 1).items[0])["count"] == 4
    assert events.pop_counters() == {"ftp": {"refused": 5}}


def test_a_successor_counts_from_zero(events: EventStream) -> None:
    events.on_worker_message(1000, Counters({"fw-ftp": {"refused": 5}}), 0.0)
    events.on_worker_message(1000, Restarted("died of SIGKILL"), 0.0)
    events.on_worker_message(1000, Counters({"fw-ftp": {"refused": 2}}), 0.0)
    assert events.pop_counters() == {"ftp": {"refused": 7}}


def test_helpers_that_a_worker_invents_fill_no_memory(events: EventStream) -> None:
    for number in range(1000):
        invented = replace(REFUSED, helper=f"x{number}")
        events.on_worker_message(1000, invented, 0.0)
        events.on_worker_message(1000, Counters({f"x{number}": {"refused": 1}}), 0.0)
    assert kinds(events) == []
    assert events.counters == {}
    assert events._suppressed._reported == {}


def test_expectations_above_the_tracker_s_bound_are_reported_as_lost(
    events: EventStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    events.set_installed(NO_HELPERS)
    monkeypatch.setattr(module, "TICK", 0.0)
    events.tracker._limit = 2
    read(events, [event(expectation(n)) for n in range(1, 6)], [])

    async def scenario() -> None:
        ticking = asyncio.ensure_future(events._tick())
        await events.ring.wait(5)
        ticking.cancel()

    asyncio.run(scenario())
    (lost,) = [item for item in events.ring.read(0, 100).items if item.kind == "lost"]
    assert events.serialize(lost)["stage"] == "tracker"
    assert events.serialize(lost)["count"] == 3


def test_a_loss_concerns_no_helper(events: EventStream) -> None:
    loss = events.serialize(Item(EventKind.LOST, "", Loss("kernel", 0)))
    assert loss == {"stage": "kernel", "count": 0, "resynced": False}


def test_an_interface_that_does_not_exist_has_no_name() -> None:
    assert module.interface_name(0) == ""


def test_an_expectation_whose_worker_died_is_deleted_in_time() -> None:
    """A6."""
    live = expectation(5000)
    netlink = Netlink([live])
    stream = EventStream()
    stream._netlink = netlink  # type: ignore[assignment]
    stream.set_installed(InstalledHelpers({"fw-ftp": "ftp"}, {}))
    stream.on_kernel_event(event(live), 10.0)
    report = FlowReport(
        ReportKind.EXPECTED, "fw-ftp", "c", "s", "tcp", timeout=30,
        expectation=ExpectationId(key_of(live), live.master),
    )  # fmt: skip
    stream.on_worker_message(1000, report, 10.1)
    stream.on_worker_message(1000, replace(report, kind=ReportKind.RENEWED), 30.1)
    stream.advance(60.0)
    assert netlink.live == [live]
    stream.advance(62.2)
    assert netlink.live == []
