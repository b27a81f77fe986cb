"""Print docs/comparison.md from the sections that tests/vm/test_compare.py wrote.

python -m lab.compare_page DIRECTORY
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from textwrap import fill

from lab.compare import CANDIDATES, Case, Expectation, Observation
from lab.compare_reasons import REASONS

Observations = dict[str, dict[str, Observation]]  # candidate, announcement

_HEAD = """# Measured expectations

`./dev compare` generates this page. Real servers and clients exchange the same traffic through a
gateway that runs conntrackd's user-space helper, the kernel's helper, or fwhelpers. The tables show
the expectations that `conntrack -E expect` prints. *announced* is the port that the protocol named.
*one* and *many* say how many connections may use the expectation. Seconds are rounded to five.
"""


def differences(theirs: Observation, ours: Observation) -> Iterator[str]:
    """Yield the fields in which two candidates differ."""
    if theirs.works != ours.works:
        yield "works"
    if len(theirs.expectations) != len(ours.expectations):
        yield "expectations"
        return
    pairs = list(zip(sorted(theirs.expectations), sorted(ours.expectations), strict=True))
    for field in Expectation._fields:
        if any(getattr(a, field) != getattr(b, field) for a, b in pairs):
            yield field


def reason(case: str, step: str, candidate: str, field: str) -> str:
    """Return the recorded reason for a difference, or an empty string."""
    key = (case, step, candidate, field)
    for patterns, text in REASONS.items():
        if all(fnmatch(word, pattern) for word, pattern in zip(key, patterns, strict=True)):
            return text
    return ""


def explained(case: Case, observations: Observations) -> Iterator[tuple[str, str, str, str]]:
    """Yield candidate, announcement, field and reason of each difference from ours."""
    for candidate in set(observations) - {"fwhelpers"}:
        for step, ours in observations["fwhelpers"].items():
            for field in differences(observations[candidate][step], ours):
                yield candidate, step, field, reason(case.name, step, candidate, field)


def section(case: Case, observations: Observations) -> str:
    columns = [name for name in CANDIDATES if name in observations]
    lines = [f"## {case.name}", "", f"| announced by | {' | '.join(columns)} |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for step in observations["fwhelpers"]:
        cells = " | ".join(str(observations[name][step]) for name in columns)
        lines.append(f"| {step} | {cells} |")
    why: dict[str, set[str]] = {}
    for candidate, step, field, text in explained(case, observations):
        why.setdefault(f"{candidate}, {field}: {text}", set()).add(step)
    notes = [
        fill(
            f"- {text} ({'; '.join(sorted(steps))})",
            100,
            subsequent_indent="  ",
            break_on_hyphens=False,
        )
        for text, steps in sorted(why.items())
    ]
    return "\n".join([*lines, "", "Where fwhelpers differs:" if notes else "", "", *notes, ""])


def page(folder: Path) -> str:
    return "\n".join(
        [_HEAD, *(part.read_text() for part in sorted(folder.glob("comparison-*.md")))]
    )


if __name__ == "__main__":
    print(page(Path(sys.argv[1])), end="")
