"""The workers as a whole: as many as wanted, all with the same order."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

from fwhelpers.daemon.order import Order
from fwhelpers.daemon.supervisor import WorkerProcess

log = logging.getLogger("fwhelpers")


class Fleet:
    """Workers by consecutive queue numbers. `hear` gets what they tell."""

    def __init__(self, hear: Callable[[dict[str, Any]], None]) -> None:
        self.workers: list[WorkerProcess] = []
        self._tasks: dict[WorkerProcess, asyncio.Task[None]] = {}
        self._hear = hear

    def __len__(self) -> int:
        return len(self.workers)

    def grow(self, first: int, count: int, fail_open: bool) -> None:
        """Start those that are missing. Raises NetlinkError where a queue is taken."""
        for number in range(first + len(self.workers), first + count):
            worker = WorkerProcess(number, fail_open, self._hear)
            worker.bind()
            self.workers.append(worker)
            self._tasks[worker] = asyncio.get_running_loop().create_task(worker.run())

    async def configure(self, order: Order) -> None:
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

    async def _end(self, worker: WorkerProcess) -> None:
        await worker.stop()
        task = self._tasks.pop(worker)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def status(self) -> list[dict[str, Any]]:
        """Each worker's counters."""
        return [worker.status() for worker in self.workers]

    def totals(self) -> dict[str, Counter[str]]:
        """What happened, by the helper's name in the kernel."""
        totals: dict[str, Counter[str]] = {}
        for worker in self.workers:
            for helper, counts in worker.totals().items():
                totals.setdefault(helper, Counter()).update(counts)
        return totals
