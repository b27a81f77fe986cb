"""The manager's feed, from the kernel's events and the workers' reports to the lines of a client."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from replicated import CLIENT, SERVER, expectation

from fwhelpers.api import DatagramParser, Helper
from fwhelpers.daemon import replication_feed as module
from fwhelpers.daemon.replication_feed import ReplicationFeed
from fwhelpers.engine.expectation_key import identity_of
from fwhelpers.engine.registry import Account
from fwhelpers.events.serialize import InstalledHelpers
from fwhelpers.events.stream import EventStream
from fwhelpers.kernel import expect, nfnl
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfnl import Message
from fwhelpers.kernel.raw_events import RawExpectation
from fwhelpers.replication import local_socket, records
from fwhelpers.replication.records import Begin, Complete, Ended, Hello, Live, Status
from fwhelpers.worker.messages import FlowReport, ReportKind

ACCOUNT = Account("fw-ftp", CLIENT, SERVER)


class Manager:
    """An event stream with its feed, and what happens to them."""

    def __init__(self, runtime: Path) -> None:
        self.events = EventStream()
        helper = Helper("ftp", "tcp", [21], DatagramParser)
        self.events.set_installed(InstalledHelpers({"fw-ftp": helper}, {"ftp": "plug"}))
        self.events._attribution.holding = False  # as without subscribers
        self.feed = ReplicationFeed(self.events, runtime)
        self.path = runtime / local_socket.FEED
        self.writers: list[asyncio.StreamWriter] = []

    def kernel(self, expected: Expectation, kind: int = expect.NEW) -> None:
        payload = memoryview(RawExpectation.of(expected).payload)
        message = Message(nfnl.CTNETLINK_EXP << 8 | kind, 0, 0, 2, 0, payload)
        self.events.on_kernel_event(message, time.monotonic())

    def worker(
        self, expected: Expectation, kind: ReportKind = ReportKind.EXPECTED, timeout: int = 60
    ) -> None:
        report = FlowReport(
            kind, "fw-ftp", "c", "s", "tcp", trigger="PASV", timeout=timeout, account=ACCOUNT,
            expectation=identity_of(expected),
        )  # fmt: skip
        self.events.on_worker_message(1000, report, time.monotonic())

    async def client(self, begin: bool = True) -> Client:
        client = await self.connect()
        assert isinstance(await client.next(), Hello)
        if begin:
            client.write(Begin())
            assert await client.next() == Begin()
        return client

    async def connect(self) -> Client:
        reader, writer = await asyncio.open_unix_connection(self.path)
        self.writers.append(writer)
        return Client(reader, writer)

    async def close(self) -> None:
        self.feed.close()
        for writer in self.writers:
            writer.transport.abort()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def write(self, message: records.Message) -> None:
        self.writer.write(records.encode(message))

    async def next(self) -> records.Message | None:
        line = await asyncio.wait_for(self.reader.readline(), 60)
        return records.decode(line[:-1]) if line else None

    async def live(self) -> Live:
        message = await self.next()
        assert isinstance(message, Live), message
        return message


Scenario = Callable[[Manager], Awaitable[None]]


def run(tmp_path: Path, scenario: Scenario) -> None:
    async def main() -> None:
        manager = Manager(tmp_path)
        manager.feed.configure(True)
        try:
            await asyncio.wait_for(scenario(manager), 60)
        finally:
            await manager.close()

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(60_000):
        if condition():
            return
        await asyncio.sleep(0.001)


def test_live_ones_first_then_each_change(tmp_path: Path) -> None:
    async def scenario(manager: Manager) -> None:
        first, second = expectation(5000), expectation(5001)
        manager.kernel(first)
        manager.worker(first, timeout=30)
        client = await manager.client()
        live = await client.live()
        assert live.payload == RawExpectation.of(first).payload
        assert (live.account, live.trigger) == (ACCOUNT, "PASV")
        assert 25 < live.remaining <= 30
        assert await client.next() == Complete()
        manager.worker(second)  # the report comes before the kernel's event
        manager.kernel(second)
        created = await client.live()
        assert (created.account, created.number) == (ACCOUNT, live.number + 1)
        manager.worker(first, ReportKind.RENEWED, timeout=300)
        renewed = await client.live()
        assert (renewed.number, renewed.remaining > 290) == (live.number, True)
        manager.kernel(first, expect.DELETE)
        assert await client.next() == Ended(live.number)

    run(tmp_path, scenario)


@pytest.mark.parametrize("readers", [0, 1])
def test_the_event_may_come_before_the_report(tmp_path: Path, readers: int) -> None:
    """With subscribers the stream holds the event until the report is there."""

    async def scenario(manager: Manager) -> None:
        manager.events.ring.readers = readers
        manager.events._attribution.holding = bool(readers)
        client = await manager.client()
        assert await client.next() == Complete()
        manager.kernel(expectation())
        manager.worker(expectation())
        lives = [await client.live() for _ in range(2 - readers)]
        assert (lives[-1].account, {live.number for live in lives}) == (ACCOUNT, {1})

    run(tmp_path, scenario)


@pytest.mark.parametrize("reported", [False, True])
def test_a_lifetime_that_the_other_gateway_would_refuse(tmp_path: Path, reported: bool) -> None:
    async def scenario(manager: Manager) -> None:
        client = await manager.client()
        assert await client.next() == Complete()
        expected = replace(expectation(), timeout=0xFFFFFFFF)
        if reported:
            manager.worker(expected, timeout=0xFFFFFFFF)
        manager.kernel(expected)
        assert (await client.live()).remaining == records.MAX_REMAINING

    run(tmp_path, scenario)


def test_what_is_not_ours_is_not_sent(tmp_path: Path) -> None:
    async def scenario(manager: Manager) -> None:
        manager.kernel(expectation(5000, "irc"))
        client = await manager.client()
        assert await client.next() == Complete()
        manager.kernel(expectation(5001, "irc"))
        manager.kernel(expectation(5001, "irc"), expect.DELETE)
        manager.kernel(expectation(5002))
        assert (await client.live()).account is None  # after a restart no worker reports it again

    run(tmp_path, scenario)


def test_a_key_that_another_connection_takes_over(tmp_path: Path) -> None:
    async def scenario(manager: Manager) -> None:
        client = await manager.client()
        assert await client.next() == Complete()
        old = expectation()
        new = replace(old, master=old.master._replace(sport=40001), id=9)
        manager.kernel(old)
        assert (await client.live()).number == 1
        manager.kernel(old, expect.DELETE)
        manager.kernel(new)
        assert await client.next() == Ended(1)
        assert (await client.live()).number == 2

    run(tmp_path, scenario)


def test_a_key_whose_former_end_was_lost(tmp_path: Path) -> None:
    """What is live under the key now is another one, which must not be reported as the former."""

    async def scenario(manager: Manager) -> None:
        client = await manager.client()
        assert await client.next() == Complete()
        old = expectation()
        manager.kernel(old)
        assert (await client.live()).number == 1
        manager.kernel(replace(old, master=old.master._replace(sport=40001), id=9))
        assert (await client.live()).number == 2
        manager.events.advance(time.monotonic() + 3.0)
        assert await client.next() == Ended(1)

    run(tmp_path, scenario)


def test_nothing_is_done_without_a_client(tmp_path: Path) -> None:
    async def scenario(manager: Manager) -> None:
        client = await manager.client(begin=False)
        assert manager.events.on_change is None
        client.write(Begin())
        assert await client.next() == Begin()
        assert manager.events.on_change is not None
        client.writer.close()
        await until(lambda: manager.events.on_change is None)

    run(tmp_path, scenario)


def test_a_new_client_replaces_the_former(tmp_path: Path) -> None:
    async def scenario(manager: Manager) -> None:
        former = await manager.client()
        assert await former.next() == Complete()
        client = await manager.client()
        assert await former.next() is None
        manager.kernel(expectation())
        assert await client.next() == Complete()
        assert (await client.live()).number == 1

    run(tmp_path, scenario)


def test_a_long_list_waits_for_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is longer than what may wait, and is sent as fast as it is read; the manager goes on."""
    monkeypatch.setattr(module, "MAX_WAITING", 512 << 10)
    monkeypatch.setattr(module, "HIGH_WATER", 16 << 10)

    async def scenario(manager: Manager) -> None:
        count = 4000
        for port in range(2000, 2000 + count):
            manager.kernel(expectation(port))
        client = await manager.client()
        for _ in range(100):  # the client reads nothing meanwhile
            await asyncio.sleep(0)
        late = expectation(1999)
        manager.kernel(late)
        manager.kernel(expectation(2000 + count - 1), expect.DELETE)
        numbers, ended = [], []
        while (message := await client.next()) != Complete():
            numbers += [message.number] if isinstance(message, Live) else []
            ended += [message.number] if isinstance(message, Ended) else []
        assert len(set(numbers)) == len(numbers)
        assert len(numbers) - len(ended) == count  # one more, and one less

    run(tmp_path, scenario)


def test_a_client_that_does_not_read_is_disconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 64 << 10)

    async def scenario(manager: Manager) -> None:
        await manager.client()
        for port in range(2000, 6000):
            manager.kernel(expectation(port))
            await asyncio.sleep(0)
            if manager.events.on_change is None:
                break
        assert manager.events.on_change is None

    run(tmp_path, scenario)


def test_the_status_of_its_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(manager: Manager) -> None:
        assert manager.feed.status() == Status()
        client = await manager.client(begin=False)
        reported = Status(True, True, 1e9, "1", 0.001, 3, 4)
        client.write(reported)
        await until(lambda: manager.feed.status() == reported)
        monkeypatch.setattr(module, "STALE", 0.0)
        assert manager.feed.status() == Status()
        manager.feed.configure(False)
        assert manager.feed.status() is None
        assert not manager.path.exists()

    run(tmp_path, scenario)


@pytest.mark.parametrize("data", [b"\xff\n", b"x" * 5000, b'{"kind":"status"}\n'])
def test_an_unreadable_client_is_disconnected(tmp_path: Path, data: bytes) -> None:
    async def scenario(manager: Manager) -> None:
        client = await manager.client(begin=False)
        client.writer.write(data)
        assert await client.next() is None

    run(tmp_path, scenario)


def test_other_users_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(manager: Manager) -> None:
        assert manager.path.stat().st_mode & 0o777 == 0o600
        monkeypatch.setattr(local_socket, "is_trusted", lambda sock: False)
        client = await manager.connect()
        assert await client.next() is None

    run(tmp_path, scenario)


def test_root_and_the_own_user_are_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert local_socket.is_trusted(ours)
        monkeypatch.setattr(os, "geteuid", lambda: 1234)
        monkeypatch.setattr(
            local_socket, "_UCRED", type("Peer", (), {"size": 12, "unpack": lambda _: (1, 99, 1)})
        )
        assert not local_socket.is_trusted(ours)


def test_a_socket_that_a_killed_manager_left_is_replaced(tmp_path: Path) -> None:
    local_socket.listen(tmp_path / local_socket.FEED).close()

    async def scenario(manager: Manager) -> None:
        await manager.client()

    run(tmp_path, scenario)
