"""Totals since the start of the service, for monitoring: numbers of bounded size, and the last refusals."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping

from fwhelpers.events.tracker import EventKind, TrackedExpectation
from fwhelpers.worker.messages import FlowReport

RECENT = 64  #: refusals that are kept
MINUTES = 60  #: minutes for which opened and refused are counted apart
REFRESH = 0.5  #: seconds for which counted expectations are valid

OTHER, UNREPORTED = "other", "unreported"
_RULE = re.compile(r"G[1-9][0-9]?")  # docs/safety.md


class Statistics:
    """Counted by the helper's name in the kernel."""

    def __init__(self) -> None:
        self.events: dict[str, Counter[str]] = {}
        self.refused_by_rule: dict[str, Counter[str]] = {}
        self.losses: Counter[str] = Counter()  #: reports of lost events, by stage
        self.recent: deque[tuple[float, FlowReport]] = deque(maxlen=RECENT)
        self.opened, self.refused = Minutes(), Minutes()

    def count(self, helper: str, kind: EventKind, now: float, number: int = 1) -> None:
        """Count events of a helper. `now`: seconds of the monotonic clock."""
        counts = self.events.get(helper)
        if counts is None:
            counts = self.events[helper] = Counter()
        counts[str(kind)] += number
        if kind is EventKind.CREATED:
            self.opened.add(now, number)
        elif kind is EventKind.REFUSED:
            self.refused.add(now, number)

    def add_refusal(self, report: FlowReport, when: float) -> None:
        """Count a reported refusal by its rule and keep it. `when`: seconds since 1970."""
        # the rule is a worker's word: a hostile worker must not invent any number of them
        rule = report.rule if _RULE.fullmatch(report.rule) else OTHER
        self._by_rule(report.helper)[rule] += 1
        self.recent.append((when, report))

    def count_suppressed(self, helper: str, number: int) -> None:
        """Count refusals that a worker counted but did not report, so that their rules are unknown."""
        self._by_rule(helper)[UNREPORTED] += number

    def _by_rule(self, helper: str) -> Counter[str]:
        return self.refused_by_rule.setdefault(helper, Counter())


class Minutes:
    """Counts by minute of the last hour; the minutes are those of the monotonic clock."""

    def __init__(self) -> None:
        self._counts: deque[tuple[int, int]] = deque(maxlen=MINUTES)  #: (minute, count)

    def add(self, now: float, number: int) -> None:
        minute = int(now // 60)
        if self._counts and self._counts[-1][0] >= minute:
            last, count = self._counts.pop()
            self._counts.append((last, count + number))
        else:
            self._counts.append((minute, number))

    def counts(self, now: float) -> list[int]:
        """Return `MINUTES` counts, the oldest minute first; the last one is the present minute's."""
        minute = int(now // 60)
        counts = dict(self._counts)
        return [counts.get(m, 0) for m in range(minute - MINUTES + 1, minute + 1)]


class LiveCounts:
    """Counts expectations on request, at most once in `REFRESH` seconds: every local user may ask."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}
        self._until = float("-inf")

    def get(
        self, expectations: Callable[[], Iterable[TrackedExpectation]], now: float
    ) -> Mapping[str, tuple[int, int]]:
        """Return (pending, matched) by the helper's name in the kernel."""
        if now >= self._until:
            self._counts = _count(expectations())
            self._until = now + REFRESH
        return self._counts


def _count(expectations: Iterable[TrackedExpectation]) -> dict[str, tuple[int, int]]:
    pending: Counter[str] = Counter()
    matched: Counter[str] = Counter()
    for tracked in expectations:
        (pending if tracked.is_pending else matched)[tracked.raw.helper] += 1
    return {helper: (pending[helper], matched[helper]) for helper in pending | matched}
