"""Refusals that workers counted but did not report."""

from __future__ import annotations

from fwhelpers.events.suppressed import SuppressedCounter


def test_only_refusals_without_a_report_are_counted() -> None:
    suppressed = SuppressedCounter()
    suppressed.add_report(1000, "x")
    assert list(suppressed.compare(1000, {"x": {"refused": 3, "expected": 9}})) == [("x", 2)]
    assert list(suppressed.compare(1000, {"x": {"refused": 3}})) == []


def test_each_queue_counts_for_itself_and_a_successor_from_zero() -> None:
    suppressed = SuppressedCounter()
    assert list(suppressed.compare(1000, {"x": {"refused": 3}})) == [("x", 3)]
    assert list(suppressed.compare(1001, {"x": {"refused": 2}})) == [("x", 2)]
    suppressed.reset(1000)
    suppressed.add_report(1000, "x")
    assert list(suppressed.compare(1000, {"x": {"refused": 1}})) == []
    assert list(suppressed.compare(1001, {"x": {"refused": 3}})) == [("x", 1)]
