"""Two processes with TLS over loopback, each with a manager's feed in this process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateways_pair import Gateway
from replicated import CLIENT, expectation

from fwhelpers.api import DatagramParser, Helper
from fwhelpers.daemon.replication_feed import ReplicationFeed
from fwhelpers.engine.expectation_key import identity_of
from fwhelpers.engine.registry import Account
from fwhelpers.events.serialize import InstalledHelpers
from fwhelpers.events.stream import EventStream
from fwhelpers.kernel import expect, nfnl
from fwhelpers.kernel.expect import parse_expectation
from fwhelpers.kernel.nfnl import Message
from fwhelpers.kernel.raw_events import RawExpectation
from fwhelpers.replication.local_table import Answer
from fwhelpers.replication.records import Status
from fwhelpers.worker.messages import FlowReport, ReportKind

Pair = tuple[Gateway, Gateway]


class Manager:
    """The part of the manager that replication needs, in a thread with its own event loop."""

    def __init__(self, runtime: Path) -> None:
        self.events = EventStream()
        self.events._attribution.holding = False
        helper = Helper("ftp", "tcp", [21], DatagramParser)
        self.events.set_installed(InstalledHelpers({"fw-ftp": helper}, {"ftp": "plug"}))
        self.feed = ReplicationFeed(self.events, runtime)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._loop.call_soon_threadsafe(self.feed.configure, True)

    def opens(self, *ports: int) -> None:
        for port in ports:
            self._loop.call_soon_threadsafe(self._open, port)

    def _open(self, port: int) -> None:
        expected, now = expectation(port), time.monotonic()
        report = FlowReport(
            ReportKind.EXPECTED, "fw-ftp", "c", "s", "tcp", trigger="PASV", timeout=600,
            account=Account("fw-ftp", CLIENT), expectation=identity_of(expected),
        )  # fmt: skip
        self.events.on_worker_message(1000, report, now)
        self._event(port, expect.NEW)

    def ends(self, *ports: int) -> None:
        for port in ports:
            self._loop.call_soon_threadsafe(self._event, port, expect.DELETE)

    def _event(self, port: int, kind: int) -> None:
        payload = memoryview(RawExpectation.of(expectation(port)).payload)
        message = Message(nfnl.CTNETLINK_EXP << 8 | kind, 0, 0, 2, 0, payload)
        self.events.on_kernel_event(message, time.monotonic())

    def status(self) -> Status | None:
        return self.feed.status()

    def stop(self) -> None:
        async def close() -> None:
            self.feed.close()
            await asyncio.sleep(0)  # the transport is closed in the next step

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def manager(pair: Pair) -> Iterator[Manager]:
    """The first gateway's manager."""
    new = Manager(pair[0].runtime)
    yield new
    new.stop()


def ports(answer: Answer) -> list[int]:
    return sorted(parse_expectation(record.payload).tuple.dport for record in answer.records)


def start(pair: Pair) -> None:
    first, second = pair
    first.start(second)
    second.start(first)


def test_expectations_of_one_gateway_are_known_on_the_other(pair: Pair, manager: Manager) -> None:
    first, second = pair
    manager.opens(5000, 5001)
    start(pair)
    answer = second.wait(lambda a: ports(a) == [5000, 5001])
    assert {record.account for record in answer.records} == {Account("fw-ftp", CLIENT)}
    assert all(400 < record.remaining < 601 for record in answer.records)
    manager.opens(5002)
    manager.ends(5000)
    second.wait(lambda a: ports(a) == [5001, 5002])
    status = first.wait(lambda a: a.status.connected and a.status.confirmed == 2).status
    assert status.lag is not None
    assert status.received == 0
    until = time.monotonic() + 60
    while (status := manager.status()) is None or not status.connected or status.confirmed != 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert [gateway.stop() for gateway in pair] == [0, 0]


def test_they_stay_when_the_other_gateway_fails_and_are_renewed_when_it_is_back(
    pair: Pair, manager: Manager
) -> None:
    first, second = pair
    manager.opens(5000, 5001)
    start(pair)
    second.wait(lambda a: ports(a) == [5000, 5001])
    first.stop(kill=True)
    answer = second.wait(lambda a: not a.status.receiving and not a.status.sending)
    assert ports(answer) == [5000, 5001]
    manager.ends(5000)
    manager.opens(5003)
    first.start(second)
    second.wait(lambda a: ports(a) == [5001, 5003] and a.status.connected)


def test_a_gateway_that_restarts_gets_all_of_them(pair: Pair, manager: Manager) -> None:
    _, second = pair
    manager.opens(5000)
    start(pair)
    second.wait(lambda a: ports(a) == [5000])
    second.stop(kill=True)
    manager.opens(5001)
    second.start(pair[0])
    second.wait(lambda a: ports(a) == [5000, 5001])


def test_a_manager_that_restarts(pair: Pair, manager: Manager) -> None:
    _, second = pair
    manager.opens(5000)
    start(pair)
    second.wait(lambda a: ports(a) == [5000])
    manager._loop.call_soon_threadsafe(manager.feed.configure, False)
    manager.opens(5001)
    manager.ends(5000)
    until = time.monotonic() + 60
    while "has closed the connection" not in pair[0].log:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert ports(second.wait(lambda a: a.status.connected)) == [5000]
    pair[0].wait(lambda a: a.status.detached)
    manager._loop.call_soon_threadsafe(manager.feed.configure, True)
    second.wait(lambda a: ports(a) == [5001])
    pair[0].wait(lambda a: not a.status.detached)


def test_a_take_over_marks_them(pair: Pair, manager: Manager) -> None:
    _, second = pair
    manager.opens(5000)
    start(pair)
    second.wait(lambda a: ports(a) == [5000])
    first = second.ask(mark=True)
    assert first is not None
    assert [r.taken for r in first.records] == [False]
    again = second.ask(mark=True)
    assert again is not None
    assert [r.taken for r in again.records] == [True]


@pytest.mark.parametrize("fault", ["other key", "readable key", "no file"])
def test_files_that_can_not_be_used(pair: Pair, fault: str) -> None:
    first, second = pair
    match fault:
        case "other key":
            (first.folder / "own.key").write_bytes((second.folder / "own.key").read_bytes())
        case "readable key":
            (first.folder / "own.key").chmod(0o644)
        case "no file":
            (first.folder / "own.crt").unlink()
            (second.folder / "own.crt").touch()
    first.start(second)
    process = first._process
    assert process is not None
    assert process.wait(60) == 1
    expected = {
        "other key": "not a pair of certificate and key",
        "readable key": "own.key: other users may read it: chmod o=",
        "no file": "own.crt: No such file or directory",
    }
    lines = first.log.splitlines()
    assert expected[fault] in lines[0]
    assert len(lines) <= 2  # with a hint
