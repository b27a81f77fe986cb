"""All workers: one for each of a range of consecutive queues, with one configuration."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from fwhelpers.daemon.supervisor import OnMessage, WorkerProcess
from fwhelpers.daemon.systemd import FdStore
from fwhelpers.worker.config import WorkerConfig
from fwhelpers.worker.onlink import AddressTable

log = logging.getLogger("fwhelpers")


class WorkerPool:
    """`on_message` receives the workers' messages."""

    def __init__(
        self,
        on_message: OnMessage,
        store: FdStore,
        recover: Callable[[int], bytes] = lambda queue: b"",
    ) -> None:
        self.workers: list[WorkerProcess] = []
        self._tasks: dict[WorkerProcess, asyncio.Task[None]] = {}
        self._ended: dict[str, Counter[str]] = {}  # counters of ended workers
        self._addresses = AddressTable()
        self._on_message = on_message
        self._store = store
        self._recover = recover

    def __len__(self) -> int:
        return len(self.workers)

    def grow(self, first: int, count: int, fail_open: bool) -> None:
        """Start the workers that are missing. Raises NetlinkError if a queue is in use."""
        for number in range(first + len(self.workers), first + count):
            worker = WorkerProcess(number, fail_open, self._on_message, self._store, self._recover)
            worker.bind()
            worker.set_addresses(self._addresses)
            self.workers.append(worker)
            self._tasks[worker] = asyncio.get_running_loop().create_task(worker.run())

    def set_addresses(self, table: AddressTable) -> None:
        """Send the machine's addresses to all workers, present and later."""
        self._addresses = table
        for worker in self.workers:
            worker.set_addresses(table)

    async def configure(self, config: WorkerConfig) -> None:
        """Return when all workers have applied a configuration. Raises TimeoutError."""
        for worker in self.workers:
            worker.configure(config)
        await asyncio.gather(*(worker.wait_ready() for worker in self.workers))

    async def shrink(self, count: int) -> None:
        """End the workers above a number, last first; they answer the packets in their queues."""
        while len(self.workers) > count:
            worker = self.workers.pop()
            try:
                await self._end(worker)
            except OSError as error:
                log.error("worker %d: %s", worker.number, error)

    async def hand_over(self) -> None:
        """End all workers at once; the packets in their queues wait for a later manager's workers."""
        workers, self.workers = self.workers, []
        await asyncio.gather(*(self._end(worker, hand_over=True) for worker in workers))

    async def _end(self, worker: WorkerProcess, *, hand_over: bool = False) -> None:
        await worker.stop(hand_over=hand_over)
        task = self._tasks.pop(worker)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        _add(self._ended, worker.totals())

    @property
    def supervised(self) -> bool:
        return all(worker.supervised for worker in self.workers)

    def status(self) -> list[dict[str, Any]]:
        return [worker.status() for worker in self.workers]

    def totals(self) -> dict[str, Counter[str]]:
        """Counters since the start, by the helper's name in the kernel."""
        totals: dict[str, Counter[str]] = {}
        _add(totals, self._ended)
        for worker in self.workers:
            _add(totals, worker.totals())
        return totals


def _add(totals: dict[str, Counter[str]], more: Mapping[str, Mapping[str, int]]) -> None:
    for helper, counts in more.items():
        totals.setdefault(helper, Counter()).update(counts)
