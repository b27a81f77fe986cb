"""Worker processes: start, watch, restart. One queue each, whose socket the manager keeps.

When a worker dies its packets wait in the queue for the next one; those that it had in its hands are let pass. When
workers keep dying the queue is closed, and the ruleset's bypass lets traffic pass uninspected until one stays alive.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from fwhelpers.daemon.systemd import FdStore
from fwhelpers.kernel import nfqueue
from fwhelpers.kernel.socket import QueueSocket
from fwhelpers.worker import messages
from fwhelpers.worker.config import HANDOVER, MAX_CONTROL, WorkerConfig
from fwhelpers.worker.shared_memory import SharedStats

log = logging.getLogger("fwhelpers")

START = 60.0  #: seconds that a worker may take to get ready
HANG = 5.0  #: seconds without a heartbeat after which a worker counts as hung
PATIENCE = 3  #: quick deaths in a row after which the queue is closed for a while
CHECK = 0.5
SLACK = 5.0  #: seconds more than any of these, after which something is wrong with the supervision itself


def queue_name(number: int) -> str:
    """What a queue's socket is called in the descriptor store."""
    return f"queue-{number}"


def queue_number(name: str) -> int | None:
    """The queue of a name in the store; None for anything else."""
    kind, _, number = name.partition("-")
    return int(number) if kind == "queue" and number.isdecimal() else None


class WorkerProcess:
    """One worker and the queue that outlives it."""

    def __init__(
        self,
        number: int,
        fail_open: bool,
        news: Callable[[dict[str, Any]], None],
        store: FdStore,
    ) -> None:
        self.number = number
        self.restarts = -1
        self.packets = self.overflows = 0
        self.counts: dict[str, Counter[str]] = {}
        self._fail_open = fail_open
        self._news = news
        self._store = store
        self._name = queue_name(number)
        self._flows_name = f"flows-{number}"
        self._flows = -1  # where a worker leaves what its successor needs
        self._sock: QueueSocket | None = None
        self._current: dict[str, dict[str, int]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._page: SharedStats | None = None
        self._order: WorkerConfig | None = None
        self._ready = asyncio.Event()
        self._stopping = self._replacing = False
        self._babbles = False
        self._due = float("inf")  # when a sign of life must have come, by time.monotonic()

    @property
    def pid(self) -> int | None:
        """Process id of the running worker."""
        return self._process.pid if self._process else None

    @property
    def ready(self) -> bool:
        """True while a worker has taken its orders and serves the queue."""
        return self._ready.is_set()

    @property
    def watched(self) -> bool:
        """True as long as somebody looks after the worker, or it is meant to be away."""
        return time.monotonic() < self._due

    def bind(self) -> None:
        """Open the queue, or go on with the one that an earlier manager left. Raises NetlinkError if it is taken."""
        if self._sock is not None:
            return
        left = self._store.take(self._name)
        sock = QueueSocket(left)
        try:
            if left is None:
                sock.bind(self.number, fail_open=self._fail_open)
            else:
                sock.adopt(self.number, fail_open=self._fail_open)
        except OSError:
            sock.close()
            raise
        self._sock = sock
        self._store.put(self._name, sock.fileno())
        left = self._store.take(self._flows_name)
        self._flows = os.memfd_create(self._flows_name) if left is None else left
        self._store.put(self._flows_name, self._flows)

    def _unbind(self) -> None:
        if self._sock is not None:
            self._store.drop(self._name)
            self._store.drop(self._flows_name)
            self._close()

    def _close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            os.close(self._flows)
            self._sock = None

    def order(self, order: WorkerConfig) -> None:
        """Tell what to inspect from now on; also what a successor is told.

        Other plugins than it has loaded are for a successor: it can't open files any more. That one finds in the
        conntrack entries how far the flows are.
        """
        former, self._order = self._order, order
        self._ready.clear()
        if self._control is None:
            return
        self._replacing = self._replacing or (former is not None and not order.same_code(former))
        self._control.send(HANDOVER if self._replacing else pickle.dumps(order))

    async def wait_ready(self) -> None:
        """Return when the worker works by its last order. Raises TimeoutError."""
        async with asyncio.timeout(START):
            await self._ready.wait()

    async def run(self) -> None:
        """Keep a worker running until `stop`."""
        quick = 0
        while not self._stopping:
            started = time.monotonic()
            try:
                self.bind()
            except OSError as error:  # somebody took it while it was closed
                await self._back_off(8.0, str(error))
                continue
            await self._spawn()
            await self._watch()
            if self._bury():
                continue
            quick = quick + 1 if time.monotonic() - started < 10 else 0
            if quick >= PATIENCE:
                await self._back_off(min(2.0**quick, 60.0), "keeps dying")

    async def stop(self, *, leave: bool = False) -> None:
        """End the worker; it answers what is queued, and the queue is closed. `leave`: both go to a later manager."""
        self._stopping = True
        process = self._process
        if leave and self._control is not None:
            with contextlib.suppress(OSError):  # it has just died
                self._control.send(HANDOVER)
        if self._control is not None:  # it finishes when it hears no more, and may still speak
            with contextlib.suppress(OSError):
                self._control.shutdown(socket.SHUT_WR)
        if process is not None and process.returncode is None:
            try:
                async with asyncio.timeout(HANG):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        self._hang_up()
        if leave:
            self._close()
        else:
            self._unbind()

    async def _spawn(self) -> None:
        assert self._sock is not None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_CONTROL)
        ours.setblocking(False)
        page = SharedStats.create()
        isolated = ["-I"] if sys.flags.isolated else []
        descriptors = (self._sock.fileno(), theirs.fileno(), page.fd, self._flows)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *isolated, "-m", "fwhelpers.worker.main",
            *map(str, descriptors), str(self.number), pass_fds=descriptors,
        )  # fmt: skip
        theirs.close()
        self.restarts += 1
        self._control, self._page = ours, page
        self._replacing = self._babbles = False
        asyncio.get_running_loop().add_reader(ours.fileno(), self._hear, ours)
        if self._order is not None:
            self.order(self._order)

    async def _watch(self) -> None:
        assert self._process is not None
        assert self._page is not None
        beats, since = -1, time.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK):
                    await self._process.wait()
                return
            now = time.monotonic()
            page = self._page.read()
            if page.beats != beats:
                beats, since = page.beats, now
            patience = HANG if beats else START
            self._due = now + patience + SLACK
            if now - since > patience:
                log.warning("worker %d: no heartbeat for %.0f s, killed", self.number, now - since)
                self._process.kill()
                await self._process.wait()
                return

    def _bury(self) -> bool:
        """Let pass what the dead worker had in its hands, keep its counts; True if its end was wanted."""
        assert self._process is not None
        assert self._page is not None
        page = self._page.read()
        if self._sock is not None and page.last_id and not self._stopping:
            self._sock.send(nfqueue.encode_batch(self.number, page.last_id))
        self.packets += page.packets
        self.overflows += page.overflows
        page.close()
        self._page = None
        self._hang_up()
        for helper, counts in self._current.items():
            self.counts.setdefault(helper, Counter()).update(counts)
        self._current = {}
        self._ready.clear()
        wanted = self._stopping or (self._replacing and self._process.returncode == 0)
        if not wanted:
            log.warning("worker %d: %s, restarting it", self.number, _ending(self._process))
            self._news({"restarted": _ending(self._process), "queue": self.number})
        self._process = None
        return wanted

    def _hang_up(self) -> None:
        if self._control is not None:
            while self._hear(self._control):  # its last words
                pass
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control = None

    async def _back_off(self, seconds: float, why: str) -> None:
        # a helper's own `fail` may be another than the daemon's
        what = "pass uninspected" if self._fail_open else 'are dropped (fail = "closed")'
        text = "worker %d: %s; its queue is closed for %.0f s, packets %s, unless their helper's `fail` says otherwise"
        log.error(text, self.number, why, seconds, what)
        self._unbind()
        self._due = time.monotonic() + seconds + SLACK
        await asyncio.sleep(seconds)

    def _hear(self, control: socket.socket) -> bool:
        """Take a message; False: there is none."""
        try:
            data = control.recv(MAX_CONTROL)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(control.fileno())
            return False
        message = messages.read(data)
        if message is not None:
            self._understand(message)
        elif not self._babbles:
            self._babbles = True
            log.error("worker %d: says what makes no sense, which is not heeded", self.number)
        return True

    def _understand(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            if not self._replacing:  # it was about an order before the last
                self._ready.set()
        elif "counts" in message:
            self._current = message["counts"]
        self._news({**message, "queue": self.number})

    def status(self) -> dict[str, Any]:
        """Counters for people."""
        page = self._page.read() if self._page else None
        return {
            "queue": self.number,
            "pid": self.pid,
            "ready": self.ready,
            "restarts": max(0, self.restarts),
            "packets": self.packets + (page.packets if page else 0),
            "overflows": self.overflows + (page.overflows if page else 0),
        }

    def totals(self) -> dict[str, Counter[str]]:
        """What happened, by helper, over all generations of this worker."""
        totals = {helper: Counter(counts) for helper, counts in self.counts.items()}
        for helper, counts in self._current.items():
            totals.setdefault(helper, Counter()).update(counts)
        return totals


def _ending(process: asyncio.subprocess.Process) -> str:
    code = process.returncode or 0
    return f"died of {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
