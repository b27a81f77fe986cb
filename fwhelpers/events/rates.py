"""Rates of counters over a sliding window. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TypeVar

K = TypeVar("K")

PERIOD = 5.0  #: seconds between samples
WINDOW = 60.0  #: seconds


class RateSampler:
    """Compares counters with those of a window ago, or with the oldest ones since the start."""

    def __init__(self, window: float = WINDOW) -> None:
        self._window = window
        self._samples: deque[tuple[float, Mapping[object, Mapping[str, float]]]] = deque()

    def add(self, totals: Mapping[K, Mapping[str, float]], now: float) -> None:
        """Keep the counters of this moment. Call it at regular intervals."""
        self._samples.append((now, {key: dict(values) for key, values in totals.items()}))
        while len(self._samples) > 1 and now - self._samples[1][0] >= self._window:
            self._samples.popleft()

    def rates(
        self, totals: Mapping[K, Mapping[str, float]], now: float
    ) -> dict[K, dict[str, float]]:
        """Return the increase per second of each counter; 0 for one that began again."""
        if not self._samples or now <= self._samples[0][0]:
            return {}
        then, old = self._samples[0]
        return {
            key: {
                name: max(0.0, value - old.get(key, {}).get(name, 0.0)) / (now - then)
                for name, value in values.items()
            }
            for key, values in totals.items()
        }
