"""Supervision of workers that end in every way, with real processes and no queue; with queues: tests/vm."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from fwhelpers.daemon import supervisor
from fwhelpers.daemon.supervisor import WorkerProcess
from fwhelpers.daemon.systemd import FdStore, Notifier
from fwhelpers.kernel.socket import QueueSocket
from fwhelpers.worker.config import WorkerConfig
from fwhelpers.worker.messages import Counters, Message, Restarted, SandboxGaps
from fwhelpers.worker.onlink import AddressTable

#: a worker that was taken over: it sends nonsense, forges its page and ends; its successor works
_TAKEN_OVER = """
import os, pickle, socket, struct, sys
from fwhelpers.worker.onlink import AddressTable
from fwhelpers.worker.messages import Counters, Ready, SandboxGaps, encode
from fwhelpers.worker.shared_memory import HandoverFile, SharedStats
queue, control, page, handover = map(int, sys.argv[1:5])
channel = socket.socket(fileno=control)
tables = pickle.loads(channel.recv(1 << 20))
configuration = pickle.loads(channel.recv(1 << 20))
assert tables.own == frozenset([b"four"]), "the addresses precede the configuration"
if os.fstat(handover).st_size:
    channel.send(encode(SandboxGaps((HandoverFile(handover).content.decode(),))))
    channel.send(encode(Ready(os.getpid())))
    channel.recv(1 << 20)
    sys.exit()
stats = SharedStats(page)
stats.beats = stats.last_id = stats.packets = stats.overflows = (1 << 64) - 1
stats.publish()
os.write(handover, b"3\\n" + b"[" * 100_000)
for message in (b'{"counters": {"x": {"refused": NaN}}}', b'{"ready": "now"}', b"[" * 100_000):
    channel.send(message)
channel.send(encode(Counters({"x": {"refused": 3}})))
"""


class FakeQueue:
    """A queue's socket, that refuses all verdicts."""

    def __init__(self, fd: int | None = None) -> None:
        self._fd = os.open("/dev/null", os.O_RDONLY)
        self.sent: list[bytes] = []

    def bind(self, number: int, fail_open: bool) -> None:
        pass

    def fileno(self) -> int:
        return self._fd

    def send(self, data: bytes) -> None:
        self.sent.append(data)
        raise OSError(2, "No such file or directory")

    def close(self) -> None:
        os.close(self._fd)


def new_worker(messages: list[Message | Restarted]) -> WorkerProcess:
    store = FdStore(Notifier({}), {})
    return WorkerProcess(
        1000,
        True,
        lambda _, message: messages.append(message),
        store,
        lambda queue: b"expectations of %d" % queue,
    )


def test_a_worker_that_was_taken_over_gets_a_successor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spawn = asyncio.create_subprocess_exec

    async def start(*argv: str, **options: Any) -> Any:
        return await spawn(sys.executable, "-c", _TAKEN_OVER, *argv[-5:], **options)

    monkeypatch.setattr(supervisor, "QueueSocket", FakeQueue)
    monkeypatch.setattr(supervisor.asyncio, "create_subprocess_exec", start)
    messages: list[Message | Restarted] = []

    async def scenario() -> WorkerProcess:
        worker = new_worker(messages)
        worker.bind()
        worker.set_addresses(AddressTable(frozenset([b"four"])))
        worker.configure(WorkerConfig({}))
        running = asyncio.ensure_future(worker.run())
        await worker.wait_ready()
        assert not running.done()
        await worker.stop()
        await running
        return worker

    worker = asyncio.run(scenario())
    assert messages[:3] == [
        Counters({"x": {"refused": 3}}), Restarted("exited with status 0"), SandboxGaps(("expectations of 1000",)),
    ]  # fmt: skip
    assert worker.totals() == {"x": Counter(refused=3)}
    assert (worker.packets, worker.overflows) == (0, 0)
    assert sum("ignoring malformed message" in line for line in caplog.messages) == 1


def test_a_queue_that_refuses_the_last_verdict_ends_no_supervision(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue: Any = FakeQueue()
    new_worker([])._accept_until(queue, 7)
    assert len(queue.sent) == 1
    queue.close()
    assert "accept its packets" in caplog.text


def test_counters_of_invented_helpers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "MAX_HELPERS", 10)
    worker = new_worker([])
    for generation in range(100):
        worker._current = {f"x{generation}": {"refused": 1}}
        worker.counters = worker.totals()
    assert len(worker.totals()) == 10


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "exited with status 0"), (3, "exited with status 3"),
        (-signal.SIGKILL, "died of SIGKILL"), (-250, "died of signal 250"),
    ],
)  # fmt: skip
def test_the_end_of_a_worker_in_words(code: int, text: str) -> None:
    assert supervisor._describe_end(code) == text


def test_a_name_in_the_store_has_its_queue() -> None:
    assert supervisor.queue_number(supervisor.queue_name(1000)) == 1000
    for name in ("table", "queue-x", "queue-", "flows-1000"):
        assert supervisor.queue_number(name) is None


def test_status_without_a_process() -> None:
    worker = new_worker([])
    worker._stats = SimpleNamespace(read=lambda: SimpleNamespace(packets=3, overflows=1))  # type: ignore[assignment]
    assert worker.status() == {
        "queue": 1000, "pid": None, "ready": False, "restarts": 0, "packets": 3, "overflows": 1,
        "cpu_seconds": 0.0, "waiting_bytes": 0, "buffer_bytes": 0,
    }  # fmt: skip


def test_processor_time_of_a_process() -> None:
    before = supervisor._cpu_seconds(os.getpid())
    while time.process_time() < before + 0.05:
        pass
    assert 0.05 <= supervisor._cpu_seconds(os.getpid()) - before < 5
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert supervisor._cpu_seconds(ended.pid) == 0.0


def test_the_backlog_of_a_queue_is_what_its_socket_has_not_read() -> None:
    # any netlink socket counts alike; this one's buffer gets the list of links
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    queue = QueueSocket.__new__(QueueSocket)
    queue._sock = sock
    worker = new_worker([])
    worker._sock = queue
    with sock:
        limit = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert (worker.status()["waiting_bytes"], worker.status()["buffer_bytes"]) == (0, limit)
        request = struct.pack("=IHHIIBxHiII", 32, 18, 0x301, 1, 0, 0, 0, 0, 0, 0)
        sock.send(request)  # RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP
        assert 0 < worker.status()["waiting_bytes"] <= limit
    assert (worker.status()["waiting_bytes"], worker.status()["buffer_bytes"]) == (0, 0)


def test_addresses_that_a_busy_worker_did_not_get_are_sent_again() -> None:
    worker = new_worker([])
    sent: list[AddressTable] = []
    accepts = iter([False, True])

    def send(message: bytes) -> bool:
        if not next(accepts):
            return False
        sent.append(pickle.loads(message))
        return True

    worker._channel = SimpleNamespace(send=send)  # type: ignore[assignment]
    table = AddressTable(frozenset([b"four"]))
    worker.set_addresses(table)
    assert sent == []
    worker._send_addresses()
    worker._send_addresses()
    assert sent == [table]
