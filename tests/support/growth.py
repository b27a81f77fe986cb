"""Checks that work grows linearly with its input, by counting calls: time depends on the machine.

Calls into C count once, whatever they do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from types import FrameType

SIZES = (1_000, 10_000, 100_000)
SLACK = 1.5


def count_calls(work: Callable[[], object]) -> int:
    calls = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def check_linear(work: Callable[[int], object]) -> None:
    """Run `work` with each of SIZES. Raises AssertionError if its calls grow faster than they do."""
    counts = [count_calls(lambda size=size: work(size)) for size in SIZES]  # type: ignore[misc]
    for smaller, larger in pairwise(counts):
        assert larger <= 10 * SLACK * smaller + 500, counts
