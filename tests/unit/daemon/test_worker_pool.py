from __future__ import annotations

import asyncio
from collections import Counter

from fwhelpers.daemon.supervisor import WorkerProcess
from fwhelpers.daemon.systemd import FdStore, Notifier
from fwhelpers.daemon.worker_pool import WorkerPool


def test_counters_of_ended_workers_are_kept() -> None:
    store = FdStore(Notifier({}), {})
    pool = WorkerPool(lambda queue, message: None, store)

    async def scenario() -> None:
        for number in (1000, 1001):
            worker = WorkerProcess(number, True, lambda queue, message: None, store)
            worker._current = {"fw-ftp": {"expected": number}}
            pool.workers.append(worker)
            pool._tasks[worker] = asyncio.ensure_future(asyncio.sleep(0))
        await pool.shrink(1)

    asyncio.run(scenario())
    assert pool.totals() == {"fw-ftp": Counter(expected=2001)}
