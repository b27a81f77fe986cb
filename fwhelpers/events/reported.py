"""The workers' reports of their expectations, for what must go on when a worker has died. Pure: the time goes in.

A worker ends an expectation that lives shorter than its policy, as the kernel knows the policy's lifetime only. When
the worker dies its successor takes over, and until there is one, the manager.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from fwhelpers.engine.expectation_key import Connection, key_of
from fwhelpers.engine.registry import Account, Claim, LiveExpectation
from fwhelpers.events.tracker import TrackedExpectation, Tracker
from fwhelpers.kernel.expect import PERMANENT
from fwhelpers.kernel.raw_events import ExpectationBytes

GRACE = 2.0  #: seconds that a worker, which looks at the time twice a second, may be late
MAX_REPORTED = 16384  #: reports kept; above it the oldest is forgotten

#: seconds between the creation of an expectation and the report, which may come in either order
_REPORT_DELAY = 3.0


@dataclass(frozen=True, slots=True)
class ReportedExpectation:
    """The part of a worker's report that the kernel does not know."""

    id: ExpectationBytes
    queue: int  #: of the worker
    account: Account
    since: float
    until: float


class ReportedExpectations:
    """Kept by their identity; the last report of an expectation counts."""

    def __init__(self, tracker: Tracker, limit: int = MAX_REPORTED) -> None:
        self._tracker = tracker
        self._limit = limit
        self._reported: OrderedDict[ExpectationBytes, ReportedExpectation] = OrderedDict()
        self._ends: list[tuple[float, ExpectationBytes]] = []  # a heap

    def __len__(self) -> int:
        return len(self._reported)

    def add(
        self, identity: ExpectationBytes, queue: int, account: Account, timeout: int, now: float
    ) -> None:
        self._reported.pop(identity, None)
        if len(self._reported) >= self._limit:
            self._reported.popitem(last=False)
        self._reported[identity] = ReportedExpectation(identity, queue, account, now, now + timeout)
        heapq.heappush(self._ends, (now + timeout + GRACE, identity))
        if len(self._ends) > 64 + 2 * len(self._reported):
            self._ends = [(r.until + GRACE, r.id) for r in self._reported.values()]
            heapq.heapify(self._ends)

    def get(self, identity: ExpectationBytes) -> ReportedExpectation | None:
        """Return the last report of an expectation."""
        return self._reported.get(identity)

    def overdue(self, now: float) -> Iterator[TrackedExpectation]:
        """Forget the reports whose time has passed; yield their expectations that the kernel still has."""
        while self._ends and self._ends[0][0] <= now:
            _, identity = heapq.heappop(self._ends)
            reported = self._reported.get(identity)
            if reported is None or reported.until + GRACE > now:
                continue
            del self._reported[identity]
            tracked = self._current(reported)
            if tracked is not None:
                yield tracked

    def of_worker(self, queue: int, now: float) -> list[LiveExpectation]:
        """Return the live expectations of a worker that has died, for its successor."""
        lives = []
        for reported in self._reported.values():
            tracked = self._current(reported)
            if reported.queue == queue and reported.until > now and tracked is not None:
                owner = Connection(tracked.expectation.zone, tracked.expectation.master)
                claim = Claim(
                    owner, tracked.expectation.klass, reported.account, reported.since, reported.until
                )  # fmt: skip
                # the kernel reports the master's helper here, which is not the expectation's, and flags of its own
                expectation = replace(
                    tracked.expectation, helper="", flags=tracked.expectation.flags & PERMANENT
                )
                lives.append(
                    LiveExpectation(key_of(expectation), expectation, claim, tracked.until)
                )
        return lives

    def _current(self, reported: ReportedExpectation) -> TrackedExpectation | None:
        """The kernel's expectation, unless it is newer than the report: then the report of a renewal was lost."""
        tracked = self._tracker.live(reported.id.key)
        if tracked is None or tracked.raw.identity.master != reported.id.master:
            return None
        return tracked if tracked.since <= reported.since + _REPORT_DELAY else None
