"""Logs the workers' messages: a line for each expectation, and a bounded number of lines for refusals.

Of each kind of report other than `expected`, one client causes BURST lines in each WINDOW, all clients of a helper
SHARE, and all helpers TOTAL: an attacker can forge as many addresses as it likes. Summaries count the rest.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from fwhelpers.worker import messages
from fwhelpers.worker.messages import FlowReport, Problem, ReportKind, SandboxGaps, Suppressed

log = logging.getLogger("fwhelpers")

WINDOW = 10.0  #: seconds
BURST = 5  #: lines of one kind for one helper and client in a window
SHARE = 50  #: lines of one kind for one helper
TOTAL = 100  #: lines
OTHERS = "other hosts"

_LEVELS = {ReportKind.REFUSED: logging.WARNING, ReportKind.FAILED: logging.ERROR}
_FIELDS = {
    "EVENT": "kind", "CLIENT": "client", "SERVER": "server", "RULE": "rule", "REASON": "reason",
    "ENDPOINT": "endpoint", "EXPECTATION": "expected", "TRIGGER": "trigger",
}  # fmt: skip


class EventLog:
    """`name_of` returns the configuration's name of a helper for its name in the kernel."""

    def __init__(
        self,
        name_of: Callable[[str], str] = lambda name: name,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name_of = name_of
        self._throttle = Throttle(clock)

    def write(self, queue: int, message: messages.Message | messages.Restarted) -> None:
        match message:
            case FlowReport():
                self._write_report(message, self._name_of(message.helper))
            case Problem(text):
                log.error("worker %d: %s", queue, text)
            case Suppressed(count):
                log.warning("worker %d: %d events suppressed (rate limit)", queue, count)
            case SandboxGaps(gaps):
                for gap in gaps:
                    log.warning("worker %d: sandbox incomplete: %s", queue, gap)

    def close(self) -> None:
        """Log the summaries that are still due."""
        for source, count in self._throttle.drain():
            _write_summary(source, count)

    def _write_report(self, report: FlowReport, helper: str) -> None:
        if report.kind is not ReportKind.EXPECTED:
            source = Source(report.kind, helper, _address(report.client))
            for ended, count in self._throttle.expire():
                _write_summary(ended, count)
            if not self._throttle.admit(source):
                return
        fields = {name: getattr(report, attribute) for name, attribute in _FIELDS.items()}
        fields["HELPER"] = helper
        log.log(_level(report.kind), "%s", sentence(report, helper), extra={"fields": fields})


class Source(NamedTuple):
    """One client's lines of one kind for one helper are throttled together."""

    kind: ReportKind
    helper: str
    client: str


class Throttle:
    """Admits a bounded number of lines in each WINDOW, and counts the rest."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun = clock()
        #: by source, and by helper and kind for all sources
        self._lines: Counter[Source] = Counter()
        self._total = 0
        self._suppressed: Counter[Source] = Counter()

    def admit(self, source: Source) -> bool:
        """Count one line of a source; False if it must not be written."""
        everybody = source._replace(client=OTHERS)
        full = self._total >= TOTAL or self._lines[everybody] >= SHARE
        if full or self._lines[source] >= BURST:
            # sources of which there is no line are not remembered, as they may be forged
            self._suppressed[source if source in self._lines else everybody] += 1
            return False
        self._lines[source] += 1
        self._lines[everybody] += 1
        self._total += 1
        return True

    def expire(self) -> list[tuple[Source, int]]:
        """Begin a new window if the last one has ended.

        Returns the sources of which lines were suppressed, with their number.
        """
        return self.drain() if self._clock() - self._begun >= WINDOW else []

    def drain(self) -> list[tuple[Source, int]]:
        """Begin a new window; returns the same as `expire`."""
        suppressed = list(self._suppressed.items())
        self._begun, self._total = self._clock(), 0
        self._lines.clear()
        self._suppressed.clear()
        return suppressed


def _write_summary(source: Source, count: int) -> None:
    fields = {"EVENT": source.kind, "HELPER": source.helper, "CLIENT": source.client, "MORE": count}
    log.log(
        _level(source.kind),
        "%s: %s: %d more %s events suppressed",
        source.helper,
        source.client,
        count,
        source.kind,
        extra={"fields": fields},
    )


def _level(kind: ReportKind) -> int:
    return _LEVELS.get(kind, logging.INFO)


def _address(endpoint: str) -> str:
    return endpoint.rpartition(":")[0].strip("[]") or endpoint


def sentence(report: FlowReport, helper: str) -> str:
    """Return a report as one line of the log. `helper`: its name in the configuration."""
    flow = f"{helper}: {report.client} → {report.server}"
    trigger = f" {report.trigger}" if report.trigger else ""
    if report.kind is ReportKind.REFUSED:
        return f"{flow}: refused{trigger} {report.endpoint}: {report.reason} ({report.rule})"
    if report.kind is ReportKind.EXPECTED:
        return f"{flow}: expecting{trigger} {report.expected}"
    if report.kind is ReportKind.RENEWED:
        return f"{flow}: renewed{trigger} {report.expected}"
    return f"{flow}: {report.kind}: {report.reason}"
