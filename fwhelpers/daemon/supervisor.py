"""Worker processes: start, watch, restart. Each serves one queue, whose socket the manager holds.

When a worker dies, its packets wait in the queue for the next one; the packets that it had already read are accepted.
When workers keep dying, the queue is closed, and the ruleset's bypass accepts traffic uninspected until one stays
alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from fwhelpers.daemon.systemd import FdStore
from fwhelpers.daemon.worker_channel import WorkerChannel
from fwhelpers.kernel import nfqueue
from fwhelpers.kernel.socket import QueueSocket
from fwhelpers.worker.config import HANDOVER, WorkerConfig
from fwhelpers.worker.messages import MAX_HELPERS, Counters, Message, Ready, Restarted
from fwhelpers.worker.onlink import AddressTable
from fwhelpers.worker.shared_memory import SharedStats

log = logging.getLogger("fwhelpers")

START = 60.0  #: seconds that a worker may take to get ready
HANG = 5.0  #: seconds without a heartbeat after which a worker counts as hung
MAX_QUICK_DEATHS = 3  #: in a row, after which the queue is closed for a while
CHECK = 0.5  #: seconds between looks at the heartbeat
SLACK = 5.0  #: seconds beyond these after which the supervision itself must have failed

OnMessage = Callable[[int, Message | Restarted], None]  #: queue number, message


def queue_name(number: int) -> str:
    """Return the name of a queue's socket in the descriptor store."""
    return f"queue-{number}"


def queue_number(name: str) -> int | None:
    """Return the queue of a name in the descriptor store; None for any other name."""
    kind, _, number = name.partition("-")
    return int(number) if kind == "queue" and number.isdecimal() else None


class WorkerProcess:
    """One worker, its successors, and the queue that outlives them."""

    def __init__(
        self,
        number: int,
        fail_open: bool,
        on_message: OnMessage,
        store: FdStore,
        recover: Callable[[int], bytes] = lambda queue: b"",
    ) -> None:
        """`recover` returns the expectations for the successor of a dead worker, in place of the handover."""
        self.number = number
        self.restarts = -1
        self.packets = self.overflows = 0
        self.counters: dict[str, Counter[str]] = {}  # of workers that have ended
        self._fail_open = fail_open
        self._on_message = on_message
        self._store = store
        self._recover = recover
        self._name = queue_name(number)
        self._handover_name = f"flows-{number}"
        self._handover = -1  # the file by which workers hand over their flows
        self._sock: QueueSocket | None = None
        self._current: Mapping[str, Mapping[str, int]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._channel: WorkerChannel | None = None
        self._stats: SharedStats | None = None
        self._config: WorkerConfig | None = None
        self._addresses = AddressTable()
        self._addresses_sent = False
        self._ready = asyncio.Event()
        self._stopping = self._replacing = False
        self._deadline = float("inf")  # for the next sign of supervision, by time.monotonic()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def ready(self) -> bool:
        """True while a worker serves the queue with the last configuration."""
        return self._ready.is_set()

    @property
    def supervised(self) -> bool:
        """True while the worker is watched, or is down on purpose."""
        return time.monotonic() < self._deadline

    def bind(self) -> None:
        """Open the queue, or adopt the one that an earlier manager stored. Raises NetlinkError if it is in use."""
        if self._sock is not None:
            return
        stored = self._store.pop(self._name)
        sock = QueueSocket(stored)
        try:
            if stored is None:
                sock.bind(self.number, fail_open=self._fail_open)
            else:
                sock.adopt(self.number, fail_open=self._fail_open)
        except OSError:
            sock.close()
            raise
        self._sock = sock
        self._store.store(self._name, sock.fileno())
        stored = self._store.pop(self._handover_name)
        self._handover = os.memfd_create(self._handover_name) if stored is None else stored
        self._store.store(self._handover_name, self._handover)

    def _unbind(self) -> None:
        if self._sock is not None:
            self._store.drop(self._name)
            self._store.drop(self._handover_name)
            self._close()

    def _close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            os.close(self._handover)
            self._sock = None

    def configure(self, config: WorkerConfig) -> None:
        """Send a configuration to the worker, and to each of its successors.

        In the sandbox a worker can't load other plugins; then it is replaced. The successor continues the flows from
        the handover file and the conntrack entries.
        """
        former, self._config = self._config, config
        self._ready.clear()
        if self._channel is None:
            return
        self._replacing = self._replacing or (former is not None and not config.same_code(former))
        self._channel.send(HANDOVER if self._replacing else pickle.dumps(config))

    def set_addresses(self, table: AddressTable) -> None:
        """Send the machine's addresses to the worker, and to each of its successors."""
        self._addresses, self._addresses_sent = table, False
        self._send_addresses()

    def _send_addresses(self) -> None:
        if self._channel is not None and not self._addresses_sent:
            self._addresses_sent = self._channel.send(pickle.dumps(self._addresses))

    async def wait_ready(self) -> None:
        """Return when the worker has applied the last configuration. Raises TimeoutError."""
        async with asyncio.timeout(START):
            await self._ready.wait()

    async def run(self) -> None:
        """Keep a worker running until `stop`."""
        quick_deaths = 0
        while not self._stopping:
            started = time.monotonic()
            try:
                self.bind()
            except OSError as error:  # another program took the queue while it was closed
                await self._back_off(8.0, str(error))
                continue
            await self._spawn()
            await self._watch()
            if self._reap():
                continue
            quick_deaths = quick_deaths + 1 if time.monotonic() - started < 10 else 0
            if quick_deaths >= MAX_QUICK_DEATHS:
                await self._back_off(min(2.0**quick_deaths, 60.0), "keeps dying")

    async def stop(self, *, hand_over: bool = False) -> None:
        """End the worker. It answers the queued packets, and the queue is closed.

        With `hand_over` the packets wait in the queue, which stays open for a later manager.
        """
        self._stopping = True
        if self._channel is not None:
            if hand_over:
                self._channel.send(HANDOVER)
            self._channel.shut_down()
        if self._process is not None and self._process.returncode is None:
            try:
                async with asyncio.timeout(HANG):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._close_channel()
        if hand_over:
            self._close()
        else:
            self._unbind()

    async def _spawn(self) -> None:
        assert self._sock is not None
        self._channel, theirs = WorkerChannel.create(self.number, self._receive)
        self._stats = SharedStats.create()
        isolated = ["-I"] if sys.flags.isolated else []
        descriptors = (self._sock.fileno(), theirs.fileno(), self._stats.fd, self._handover)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *isolated,
            "-m",
            "fwhelpers.worker.main",
            *map(str, descriptors),
            str(self.number),
            pass_fds=descriptors,
        )
        theirs.close()
        self.restarts += 1
        self._replacing = self._addresses_sent = False
        self._send_addresses()  # before the configuration: the first packet may depend on them
        if self._config is not None:
            self.configure(self._config)

    async def _watch(self) -> None:
        assert self._process is not None
        assert self._stats is not None
        beats, last_beat = -1, time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK):
                    await self._process.wait()
                return
            self._send_addresses()
            now = time.monotonic()
            stats = self._stats.read()
            if stats.beats != beats:
                beats, last_beat = stats.beats, now
            patience = HANG if beats else START
            self._deadline = now + patience + SLACK
            if now - last_beat > patience:
                log.warning(
                    "worker %d: no heartbeat for %.0f s, killed", self.number, now - last_beat
                )
                self._process.kill()
                await self._process.wait()
                return

    def _reap(self) -> bool:
        """Accept the packets that the dead worker had read, keep its counters; True if it was meant to end."""
        assert self._process is not None
        assert self._stats is not None
        stats = self._stats.read()
        if self._sock is not None and stats.last_id and not self._stopping:
            self._accept_until(self._sock, stats.last_id)
        self.packets += stats.packets
        self.overflows += stats.overflows
        stats.close()
        self._stats = None
        self._close_channel()
        self.counters, self._current = self.totals(), {}
        self._ready.clear()
        expected = self._stopping or (self._replacing and self._process.returncode == 0)
        if not expected:
            reason = _describe_end(self._process.returncode or 0)
            log.warning("worker %d: %s, restarting it", self.number, reason)
            self._on_message(self.number, Restarted(reason))
            self._write_handover(self._recover(self.number))
        self._process = None
        return expected

    def _write_handover(self, data: bytes) -> None:
        if self._sock is not None:
            os.ftruncate(self._handover, 0)
            os.pwrite(self._handover, data, 0)

    def _accept_until(self, sock: QueueSocket, packet_id: int) -> None:
        try:
            sock.send(nfqueue.encode_batch(self.number, packet_id))
        except OSError as error:  # no packet with such an id waits
            log.error("worker %d: accept its packets: %s", self.number, error)

    def _close_channel(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    async def _back_off(self, seconds: float, reason: str) -> None:
        action = "accepted uninspected" if self._fail_open else 'dropped (fail = "closed")'
        log.error(
            "worker %d: %s; queue closed for %.0f s, packets are %s unless their helper sets `fail`",
            self.number,
            reason,
            seconds,
            action,
        )
        self._unbind()
        self._deadline = time.monotonic() + seconds + SLACK
        await asyncio.sleep(seconds)

    def _receive(self, message: Message) -> None:
        match message:
            case Ready():
                if not self._replacing:  # else it answers the configuration before the last
                    self._ready.set()
            case Counters(totals):
                self._current = totals
        self._on_message(self.number, message)

    def status(self) -> dict[str, Any]:
        """Return the worker's state for status.json and D-Bus."""
        stats = self._stats.read() if self._stats else None
        waiting, buffer = self._backlog()
        return {
            "queue": self.number,
            "pid": self.pid,
            "ready": self.ready,
            "restarts": max(0, self.restarts),
            "packets": self.packets + (stats.packets if stats else 0),
            "overflows": self.overflows + (stats.overflows if stats else 0),
            "cpu_seconds": _cpu_seconds(self.pid),
            "waiting_bytes": waiting,
            "buffer_bytes": buffer,
        }

    def _backlog(self) -> tuple[int, int]:
        try:
            return self._sock.backlog() if self._sock else (0, 0)
        except OSError:
            return 0, 0

    def totals(self) -> dict[str, Counter[str]]:
        """Counters by the helper's name in the kernel, of this worker and its predecessors."""
        totals = {helper: Counter(counts) for helper, counts in self.counters.items()}
        for helper, counts in self._current.items():
            # names that a hostile worker invents must not fill the memory
            if helper in totals or len(totals) < MAX_HELPERS:
                totals.setdefault(helper, Counter()).update(counts)
        return totals


def _cpu_seconds(pid: int | None) -> float:
    """Return the processor time of a process: clock_getcpuclockid(3), which needs no /proc."""
    if pid is None:
        return 0.0
    try:
        return time.clock_gettime((~pid << 3) | 2)  # MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED)
    except OSError:  # it has just ended
        return 0.0


def _describe_end(code: int) -> str:
    if code >= 0:
        return f"exited with status {code}"
    try:
        return f"died of {signal.Signals(-code).name}"
    except ValueError:
        return f"died of signal {-code}"
