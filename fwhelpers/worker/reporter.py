"""Counts the engine's reports and sends them to the manager without ever waiting for it."""

from __future__ import annotations

import os
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from fwhelpers.engine.expectation_key import ExpectationId, key_of
from fwhelpers.engine.registry import MAX_ALIVE
from fwhelpers.engine.verdict import Report
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.worker.messages import (
    Counters,
    FlowReport,
    Message,
    Problem,
    Ready,
    ReportKind,
    SandboxGaps,
    Suppressed,
    encode,
)
from fwhelpers.worker.summary import summarize

#: reports sent: of expectations, and again of all else (a client that causes refusals must not hide expectations)
REPORTS_A_SECOND = 100
#: all budgets together stay below half of what the manager admits in a second (daemon.worker_channel)
RENEWALS_A_SECOND = 250
#: by kind of report; empty: all other kinds together
_BUDGETS = {
    ReportKind.EXPECTED.value: REPORTS_A_SECOND,
    ReportKind.RENEWED.value: RENEWALS_A_SECOND,
    "": REPORTS_A_SECOND,
}
#: Reports above these budgets wait, those of other kinds are only counted. If the worker dies, the manager ends an
#: expectation by what it knows: a new one with its policy's lifetime, a renewed one at its former time
_WAITING = (ReportKind.EXPECTED, ReportKind.RENEWED)
#: zone, tuple, mask and master, as they are: an ExpectationId takes longer to make, and each packet needs it under load
_Identity = tuple[int, Tuple, Tuple, Tuple] | None
MAX_BATCH = 32  #: reports that are sent together
COUNTERS_INTERVAL = 0.25  #: seconds between messages of counters


class Reporter:
    """Called by the engine with each of its reports."""

    def __init__(self, control: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        self._control = control
        self._clock = clock
        self._totals: dict[str, dict[str, int]] = {}
        self._changed = False
        self._sent = dict.fromkeys(_BUDGETS, 0)  # in this second
        self._reports: list[FlowReport] = []  # not sent yet
        #: reports above their budgets, by kind, the last one of each expectation
        self._waiting: dict[str, OrderedDict[_Identity, Report]] = {
            kind.value: OrderedDict() for kind in _WAITING
        }
        self._suppressed = 0
        self._second = 0
        self._counters_sent = float("-inf")

    def __call__(self, report: Report) -> None:
        totals = self._totals.get(report.helper)
        if totals is None:
            totals = self._totals[report.helper] = {}
        kind = report.kind
        totals[kind] = totals.get(kind, 0) + 1
        self._changed = True
        self._begin_second()
        budget = kind if kind in _BUDGETS else ""
        sent = self._sent[budget] = self._sent[budget] + 1
        if sent <= _BUDGETS[budget]:
            if budget and self._waiting[budget]:
                self._waiting[budget].pop(_identity(report), None)  # it is outdated
            self._add(_flow_report(report))
        elif budget:
            self._wait(report)
        else:
            self._suppressed += 1

    def _begin_second(self) -> None:
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._sent = dict.fromkeys(_BUDGETS, 0)

    def _add(self, report: FlowReport) -> None:
        self._reports.append(report)
        if len(self._reports) >= MAX_BATCH:
            self.send_reports()

    def _wait(self, report: Report) -> None:
        waiting = self._waiting[report.kind]
        waiting[_identity(report)] = report
        if len(waiting) > MAX_ALIVE:
            waiting.popitem(last=False)  # a dict would pass over all that were deleted before
            self._suppressed += 1

    def _add_waiting(self) -> None:
        for kind, waiting in self._waiting.items():
            while waiting and self._sent[kind] < _BUDGETS[kind]:
                self._sent[kind] += 1
                self._add(_flow_report(waiting.popitem(last=False)[1]))

    def send_reports(self) -> None:
        """Send the reports since the last call. Call it before the packets that caused them are released."""
        if self._reports and self._send(*self._reports):
            self._reports.clear()
        elif self._reports:
            kept = [r for r in self._reports if r.kind in _WAITING][-MAX_BATCH + 1 :]
            self._suppressed += len(self._reports) - len(kept)
            self._reports = kept

    def flush(self, final: bool = False) -> None:
        """Send reports, the number of suppressed ones, and the counters if they have changed.

        These two wait for some time, unless it is the worker's last message.
        """
        self.send_reports()
        now = self._clock()
        if self._suppressed and (final or int(now) != self._second):
            self._suppressed *= not self._send(Suppressed(self._suppressed))
        if self._changed and (final or now - self._counters_sent >= COUNTERS_INTERVAL):
            self._changed = not self._send(Counters(self._totals))
            self._counters_sent = now
        if any(self._waiting.values()):
            self._begin_second()
            self._add_waiting()
            self.send_reports()

    def ready(self) -> None:
        self._send(Ready(os.getpid()))

    def problem(self, text: str) -> None:
        self._send(Problem(text))

    def sandbox_gaps(self, gaps: Sequence[str]) -> None:
        if gaps:
            self._send(SandboxGaps(tuple(gaps)))

    def _send(self, *messages: Message) -> bool:
        try:
            self._control.send(encode(*messages))
        except OSError:  # the manager is slow or gone
            return False
        return True


def _identity(report: Report) -> _Identity:
    e = report.expectation
    return (e.zone, e.tuple, e.mask, e.master) if e is not None else None


def _flow_report(report: Report) -> FlowReport:
    expectation = report.expectation
    return FlowReport(
        kind=ReportKind(report.kind),
        helper=report.helper,
        client=str(report.flow.client),
        server=str(report.flow.server),
        l4=report.flow.l4,
        reason=report.reason,
        rule=report.rule,
        trigger=report.trigger,
        endpoint=str(report.refused or ""),
        expected=summarize(expectation) if expectation else "",
        interface=report.interface,
        account=report.account,
        timeout=expectation.timeout if expectation else 0,
        expectation=ExpectationId(key_of(expectation), expectation.master) if expectation else None,
    )
