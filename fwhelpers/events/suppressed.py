"""Computes from the workers' counters how many refusals they did not report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping


class SuppressedCounter:
    """A worker reports 100 events a second and only counts the rest (`worker.reporter`)."""

    def __init__(self) -> None:
        self._reported: dict[tuple[int, str], int] = {}  # by queue and helper

    def add_report(self, queue: int, helper: str) -> None:
        self._reported[queue, helper] = self._reported.get((queue, helper), 0) + 1

    def compare(
        self, queue: int, totals: Mapping[str, Mapping[str, int]]
    ) -> Iterator[tuple[str, int]]:
        """Yield (helper, count) of refusals that were counted but not reported individually."""
        for helper, counts in totals.items():
            missing = counts.get("refused", 0) - self._reported.get((queue, helper), 0)
            if missing > 0:
                self._reported[queue, helper] = counts["refused"]
                yield helper, missing

    def reset(self, queue: int) -> None:
        """Another worker serves this queue, and counts from zero."""
        self._reported = {key: value for key, value in self._reported.items() if key[0] != queue}
