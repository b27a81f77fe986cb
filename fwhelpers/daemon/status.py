"""What the service tells of itself while it runs: to the service manager, and in a file for `fwhelpers counters`."""

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
    """Tells, and never fails: a full file system must not end a firewall's service."""

    def __init__(self, notifier: Notifier, runtime: Path) -> None:
        self._notifier = notifier
        self._runtime = runtime
        self._complained = ""

    def ready(self, state: Snapshot) -> None:
        """All is in force; ends a reload as well."""
        self.publish(state)
        self._notifier.ready(_summary(state))

    def publish(self, state: Snapshot) -> None:
        """Tell how we are, in words and numbers."""
        self._notifier.status(_summary(state))
        status = {
            "pid": os.getpid(),
            "helpers": {name: dict(counts) for name, counts in state.totals().items()},
            "workers": state.fleet.status(),
            "problems": dict(state.problems),
        }
        try:
            write_status(self._runtime, status)
        except OSError as error:
            self._complain(f"write {self._runtime}/status.json: {error.strerror}")
        else:
            self._complained = ""

    def _complain(self, what: str) -> None:
        if what != self._complained:  # it is tried every second
            log.error("%s; `fwhelpers counters` shows old numbers", what)
        self._complained = what

    async def feed(self, watched: Callable[[], bool]) -> None:
        """Tell the watchdog that this loop goes round, as long as `watched` says that all is looked after."""
        while self._notifier.watched:
            if watched():
                self._notifier.alive()
            await asyncio.sleep(self._notifier.watched / 4)

    def withdraw(self) -> None:
        """We are gone. Raises OSError."""
        remove_status(self._runtime)


def _summary(state: Snapshot) -> str:
    made = sum(counts["expected"] for counts in state.fleet.totals().values())
    names = ", ".join(state.helpers) or "no helper enabled"
    return f"{names}; {len(state.fleet)} workers, {made} expectations so far"
