"""What the manager makes of a worker's messages; processes and queues themselves: tests/vm."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from fwhelpers.daemon.supervisor import WorkerProcess
from fwhelpers.daemon.systemd import FdStore, Notifier
from fwhelpers.daemon.worker_pool import WorkerPool

NOTE = {
    "kind": "expected", "helper": "fw-ftp", "client": "c", "server": "s", "l4": "tcp", "reason": "", "rule": "",
    "what": "EPSV", "endpoint": "", "expected": "e", "interface": 3, "timeout": 60, "made": None,
}  # fmt: skip


def store() -> FdStore:
    return FdStore(Notifier({}), {})


def heard(
    say: Callable[[socket.socket], None],
) -> tuple[WorkerProcess, list[dict[str, Any]]]:
    """A worker that has said this, and hung up."""
    told: list[dict[str, Any]] = []

    async def scenario() -> WorkerProcess:
        worker = WorkerProcess(1000, True, told.append, store())
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        worker._control = ours
        say(theirs)
        theirs.close()
        worker._hang_up()
        return worker

    return asyncio.run(scenario()), told


def test_a_worker_s_last_words_are_heard() -> None:
    def say(control: socket.socket) -> None:
        for _ in range(20):
            control.send(json.dumps({"note": NOTE}).encode())
        control.send(json.dumps({"counts": {"fw-ftp": {"expected": 20}}}).encode())

    worker, told = heard(say)
    assert told[:20] == [{"note": NOTE, "queue": 1000}] * 20
    assert worker.totals() == {"fw-ftp": Counter(expected=20)}


def test_nonsense_is_told_once_and_not_heeded(caplog: pytest.LogCaptureFixture) -> None:
    def say(control: socket.socket) -> None:
        for message in (b"{", b"7", b'{"counts": {"x": 1}}', b'{"counts": {"x": {"y": -1}}}'):
            control.send(message)
        control.send(b'{"problem": "this is the end"}')

    worker, told = heard(say)
    assert told == [{"problem": "this is the end", "queue": 1000}]
    assert worker.totals() == {}
    assert caplog.messages == ["worker 1000: says what makes no sense, which is not heeded"]


def test_counts_of_those_that_have_ended_are_kept() -> None:
    fleet = WorkerPool(lambda _: None, store())

    async def scenario() -> None:
        for number in (1000, 1001):
            worker = WorkerProcess(number, True, lambda _: None, store())
            worker._current = {"fw-ftp": {"expected": number}}
            fleet.workers.append(worker)
            fleet._tasks[worker] = asyncio.ensure_future(asyncio.sleep(0))
        await fleet.shrink(1)

    asyncio.run(scenario())
    assert fleet.totals() == {"fw-ftp": Counter(expected=2001)}
