"""The workers as a whole: as many as wanted, all with the same order."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from fwhelpers.daemon.supervisor import WorkerProcess
from fwhelpers.daemon.systemd import FdStore
from fwhelpers.worker.config import WorkerConfig

log = logging.getLogger("fwhelpers")


class WorkerPool:
    """Workers by consecutive queue numbers. `hear` gets what they tell."""

    def __init__(self, hear: Callable[[dict[str, Any]], None], store: FdStore) -> None:
        self.workers: list[WorkerProcess] = []
        self._tasks: dict[WorkerProcess, asyncio.Task[None]] = {}
        self._gone: dict[str, Counter[str]] = {}  # what those counted that have ended
        self._hear = hear
        self._store = store

    def __len__(self) -> int:
        return len(self.workers)

    def grow(self, first: int, count: int, fail_open: bool) -> None:
        """Start those that are missing. Raises NetlinkError where a queue is taken."""
        for number in range(first + len(self.workers), first + count):
            worker = WorkerProcess(number, fail_open, self._hear, self._store)
            worker.bind()
            self.workers.append(worker)
            self._tasks[worker] = asyncio.get_running_loop().create_task(worker.run())

    async def configure(self, order: WorkerConfig) -> None:
        """Tell all what to inspect, and wait until they do. Raises TimeoutError."""
        for worker in self.workers:
            worker.order(order)
        await asyncio.gather(*(worker.wait_ready() for worker in self.workers))

    async def shrink(self, count: int) -> None:
        """End those that are too many, last first; what waits in their queues is answered."""
        while len(self.workers) > count:
            worker = self.workers.pop()
            try:
                await self._end(worker)
            except OSError as error:
                log.error("worker %d: %s", worker.number, error)

    async def leave(self) -> None:
        """End all at once; what waits in their queues is for those of a later manager."""
        workers, self.workers = self.workers, []
        await asyncio.gather(*(self._end(worker, leave=True) for worker in workers))

    async def _end(self, worker: WorkerProcess, *, leave: bool = False) -> None:
        await worker.stop(leave=leave)
        task = self._tasks.pop(worker)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        _add(self._gone, worker.totals())

    @property
    def watched(self) -> bool:
        """True as long as each worker is looked after."""
        return all(worker.watched for worker in self.workers)

    def status(self) -> list[dict[str, Any]]:
        """Each worker's counters."""
        return [worker.status() for worker in self.workers]

    def totals(self) -> dict[str, Counter[str]]:
        """What happened since the start, by the helper's name in the kernel."""
        totals: dict[str, Counter[str]] = {}
        _add(totals, self._gone)
        for worker in self.workers:
            _add(totals, worker.totals())
        return totals


def _add(totals: dict[str, Counter[str]], more: Mapping[str, Mapping[str, int]]) -> None:
    for helper, counts in more.items():
        totals.setdefault(helper, Counter()).update(counts)
