"""The manager's end of a worker's channel: hostile messages are reported once and end nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.daemon import worker_channel
from fwhelpers.daemon.worker_channel import WorkerChannel
from fwhelpers.worker.messages import Counters, Message, Problem, Ready, encode
from fwhelpers.worker.reporter import _BUDGETS

HOSTILE = (b"{", b"7", b"[" * 100_000, b'{"counters": {"x": 1}}', b'{"suppressed": NaN}')


def received(
    *datagrams: bytes, on_message: Callable[[Message], None] | None = None
) -> list[Message]:
    """The messages that the manager gets from a worker that sends these and ends."""
    messages: list[Message] = []

    async def scenario() -> None:
        channel, theirs = WorkerChannel.create(1000, on_message or messages.append)
        for datagram in datagrams:
            theirs.send(datagram)
        theirs.close()
        channel.close()

    asyncio.run(scenario())
    return messages


def test_the_last_messages_of_a_dead_worker_arrive() -> None:
    messages = [*[Problem(f"{n}") for n in range(20)], Counters({"fw-ftp": {"expected": 20}})]
    assert received(*map(encode, messages)) == messages


def test_the_messages_of_a_busy_worker_are_read_together() -> None:
    messages: list[Message] = []
    complete = asyncio.Event()

    def handle(message: Message) -> None:
        messages.append(message)
        if message == Ready(worker_channel.MAX_BURST + 2):
            complete.set()

    async def scenario() -> None:
        channel, theirs = WorkerChannel.create(1000, handle)
        theirs.send(encode(Ready(0)))
        await asyncio.sleep(0)
        for number in range(1, worker_channel.MAX_BURST + 3):
            theirs.send(encode(Ready(number)))
        assert messages == []
        await asyncio.wait_for(complete.wait(), 60)
        theirs.close()
        channel.close()

    asyncio.run(scenario())
    assert messages == [Ready(number) for number in range(worker_channel.MAX_BURST + 3)]


def test_a_malformed_message_ends_its_datagram_only() -> None:
    datagram = encode(Ready(1)) + b"\n7\n" + encode(Ready(2))
    assert received(datagram, encode(Ready(3))) == [Ready(1), Ready(3)]


def test_malformed_messages_are_reported_once_and_ignored(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert received(*HOSTILE, encode(Problem("out of memory"))) == [Problem("out of memory")]
    (line,) = caplog.messages
    assert line.startswith("worker 1000: ignoring malformed message: ")


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=10))
def test_no_datagram_raises(datagrams: list[bytes]) -> None:
    assert received(*datagrams, encode(Ready(1)))[-1] == Ready(1)


def test_a_flood_for_the_log_is_cut_and_other_messages_pass(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(worker_channel, "MESSAGES_A_SECOND", 5)
    monkeypatch.setattr("fwhelpers.daemon.worker_channel.time.monotonic", lambda: 100.0)
    messages = received(*[encode(Problem("x"))] * 20, encode(Ready(7)))
    assert messages == [*[Problem("x")] * 5, Ready(7)]
    assert caplog.messages == ["worker 1000: ignoring messages: more than 5 a second"]


def test_a_bug_in_the_handling_of_a_message_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    handled = []

    def handle(message: Message) -> None:
        handled.append(message)
        raise RuntimeError("bug")

    received(encode(Ready(1)), encode(Ready(2)), on_message=handle)
    assert handled == [Ready(1), Ready(2)]
    assert "worker 1000: handle message" in caplog.text


def test_a_configuration_for_a_dead_worker_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        channel, theirs = WorkerChannel.create(1000, lambda message: None)
        theirs.close()
        assert not channel.send(b"configuration")
        channel.shut_down()
        channel.close()

    asyncio.run(scenario())
    assert caplog.messages == ["worker 1000: send: [Errno 32] Broken pipe"]


def test_the_worker_gets_messages_until_it_is_shut_down() -> None:
    async def scenario() -> tuple[bytes, bytes]:
        channel, theirs = WorkerChannel.create(1000, lambda message: None)
        assert channel.send(b"configuration")
        channel.shut_down()
        datagrams = theirs.recv(100), theirs.recv(100)
        theirs.close()
        channel.close()
        return datagrams

    assert asyncio.run(scenario()) == (b"configuration", b"")


def test_what_a_sound_worker_reports_is_admitted() -> None:
    """Its seconds begin at other times than the manager's."""
    assert 2 * sum(_BUDGETS.values()) <= worker_channel.MESSAGES_A_SECOND
