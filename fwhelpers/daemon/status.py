"""Publishes the service's state: to the service manager, and in a file for `fwhelpers counters`."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from fwhelpers.daemon.runtime_dir import remove_status, write_status
from fwhelpers.daemon.state import Snapshot
from fwhelpers.daemon.systemd import Notifier

log = logging.getLogger("fwhelpers")


class StatusPublisher:
    """Never fails: a full file system must not end the service."""

    def __init__(self, notifier: Notifier, runtime: Path) -> None:
        self._notifier = notifier
        self._runtime = runtime
        self._error = ""

    def ready(self, state: Snapshot) -> None:
        """Publish the state after startup or a reload."""
        self.publish(state)
        self._notifier.ready(_summary(state))

    def publish(self, state: Snapshot) -> None:
        self._notifier.status(_summary(state))
        status = {
            "pid": os.getpid(),
            "helpers": {name: dict(counts) for name, counts in state.totals().items()},
            "workers": state.workers.status(),
            "problems": dict(state.problems),
        }
        try:
            write_status(self._runtime, status)
        except OSError as error:
            self._report(f"write {self._runtime}/status.json: {error.strerror}")
        else:
            self._error = ""

    def _report(self, error: str) -> None:
        if error != self._error:  # publishing is tried every second
            log.error("%s; `fwhelpers counters` shows old numbers", error)
        self._error = error

    async def ping_watchdog(self, is_supervised: Callable[[], bool]) -> None:
        """Ping the watchdog while this loop runs and `is_supervised` holds."""
        while self._notifier.watchdog_timeout:
            if is_supervised():
                self._notifier.ping_watchdog()
            await asyncio.sleep(self._notifier.watchdog_timeout / 4)

    def withdraw(self) -> None:
        """Remove the file. Raises OSError."""
        remove_status(self._runtime)


def _summary(state: Snapshot) -> str:
    expectations = sum(counts["expected"] for counts in state.workers.totals().values())
    names = ", ".join(state.helpers) or "no helper enabled"
    return f"{names}; {len(state.workers)} workers, {expectations} expectations so far"
