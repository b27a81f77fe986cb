"""Totals for monitoring."""

from __future__ import annotations

from fwhelpers.events.statistics import (
    MINUTES,
    OTHER,
    RECENT,
    REFRESH,
    UNREPORTED,
    LiveCounts,
    Minutes,
    Statistics,
)
from fwhelpers.events.tracker import EndedAs, EventKind, TrackedExpectation
from fwhelpers.kernel.raw_events import ExpectationBytes, RawExpectation
from fwhelpers.worker.messages import FlowReport, ReportKind


def refusal(rule: str, reason: str = "") -> FlowReport:
    return FlowReport(ReportKind.REFUSED, "fw-ftp", "c", "s", "tcp", reason, rule)


def test_refusals_by_rule() -> None:
    statistics = Statistics()
    for rule in ("G5", "G5", "G15"):
        statistics.add_refusal(refusal(rule), 1.0)
    statistics.count_suppressed("fw-ftp", 40)
    assert statistics.refused_by_rule == {"fw-ftp": {"G5": 2, "G15": 1, UNREPORTED: 40}}


def test_rules_that_a_hostile_worker_invents_are_one() -> None:
    statistics = Statistics()
    for number in range(1000):
        statistics.add_refusal(refusal(f"G{number + 100}"), 1.0)
        statistics.add_refusal(refusal(f"G5\n{number}"), 1.0)
    statistics.add_refusal(refusal(""), 1.0)
    assert statistics.refused_by_rule == {"fw-ftp": {OTHER: 2001}}


def test_the_last_refusals_are_kept() -> None:
    statistics = Statistics()
    for number in range(RECENT + 3):
        statistics.add_refusal(refusal("G5", str(number)), float(number))
    assert len(statistics.recent) == RECENT
    assert statistics.recent[0][0] == 3.0
    assert statistics.recent[-1][1].reason == str(RECENT + 2)


def test_events_by_kind() -> None:
    statistics = Statistics()
    statistics.count("fw-ftp", EventKind.CREATED, 1.0)
    statistics.count("fw-ftp", EventKind.CREATED, 1.0, 2)
    statistics.count("sip", EventKind.EXPIRED, 1.0)
    assert statistics.events == {"fw-ftp": {"created": 3}, "sip": {"expired": 1}}


def test_expectations_are_counted_on_request_but_not_all_the_time() -> None:
    def tracked(helper: str, is_pending: bool) -> TrackedExpectation:
        raw = RawExpectation(ExpectationBytes(b"", b""), b"", 60, helper, 1, b"")
        expectation = TrackedExpectation(1, raw, 0.0, 60.0)
        expectation.ended_as = None if is_pending else EndedAs.MATCHED
        return expectation

    expectations = [
        tracked("a", True),
        tracked("a", False),
        tracked("a", True),
        tracked("b", False),
    ]
    counts = LiveCounts()
    assert counts.get(lambda: expectations, 0.0) == {"a": (2, 1), "b": (0, 1)}
    expectations.clear()
    assert counts.get(lambda: expectations, REFRESH / 2) == {"a": (2, 1), "b": (0, 1)}
    assert counts.get(lambda: expectations, REFRESH) == {}


def test_minutes_of_the_last_hour() -> None:
    minutes = Minutes()
    for now, number in ((30.0, 1), (59.0, 1), (60.0, 5), (200.0, 7)):
        minutes.add(now, number)
    counts = minutes.counts(239.0)
    assert len(counts) == MINUTES
    assert counts[-4:] == [2, 5, 0, 7]
    assert sum(counts) == 14
    assert minutes.counts(60.0 * (MINUTES + 1))[:3] == [0, 7, 0]
    assert not any(minutes.counts(1e6))


def test_minutes_are_bounded() -> None:
    minutes = Minutes()
    for minute in range(1000):
        minutes.add(minute * 60.0, 1)
    assert len(minutes._counts) == MINUTES
    assert minutes.counts(999 * 60.0) == [1] * MINUTES


def test_creations_and_refusals_are_counted_by_minute() -> None:
    statistics = Statistics()
    for kind in EventKind:
        statistics.count("fw-ftp", kind, 60.0, 2)
    assert statistics.opened.counts(60.0)[-1] == statistics.refused.counts(60.0)[-1] == 2
