"""The state of the replication on this gateway, for its log, its users and the manager."""

from __future__ import annotations

import logging
import time

from fwhelpers.replication.records import Hello, Status
from fwhelpers.replication.table import Table

log = logging.getLogger("fwhelpers")


class State:
    """What is known of the connections to the other gateway. A problem is logged when it changes."""

    def __init__(self, table: Table) -> None:
        self.lag: float | None = None  #: seconds from a ping to its answer
        self.confirmed = 0  #: records of this gateway that the other one has
        self.detached = True  #: there is no connection to the service of this gateway
        self._table = table
        self._hellos: dict[str, Hello] = {}  # by the direction of the connections that are up
        self._problems: dict[str, str] = {}  # by direction
        self._since = time.time()
        self._version = ""

    def connected(self, direction: str, hello: Hello) -> None:
        """A connection is up. `direction`: "sending" or "receiving"."""
        self._hellos[direction] = hello
        self._version = hello.version
        self._since = time.time()
        self._problems.pop(direction, None)
        log.info("replication: %s, the other gateway has version %s", direction, hello.version)

    def disconnected(self, direction: str, problem: str) -> None:
        """A connection has ended, or could not be established."""
        if self._hellos.pop(direction, None) is not None:
            self._since = time.time()
        if direction == "sending":
            self.lag = None
        if self._problems.get(direction) != problem:
            self._problems[direction] = problem
            log.warning("replication: not %s: %s", direction, problem)

    def status(self) -> Status:
        """Return the state of this moment."""
        self._table.expire(time.monotonic())
        return Status(
            "sending" in self._hellos,
            "receiving" in self._hellos,
            round(self._since, 1),
            self._version,
            None if self.lag is None else round(self.lag, 6),
            len(self._table),
            self.confirmed,
            self.detached,
        )
