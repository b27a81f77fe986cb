"""docs/comparison.md, of what a comparison found.

    python tests/vm/compare_page.py DIRECTORY

prints the page of the sections that tests/vm/test_compare.py left in the directory.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from lab.compare import CANDIDATES, Case, Hole, Seen
from lab.compare_reasons import REASONS

Found = dict[str, dict[str, Seen]]  # candidate, announcement

_HEAD = """# The same traffic, three helpers

Made by `./dev compare`, nothing is entered by hand: real servers and clients exchange the same traffic through a
gateway that runs conntrackd's user-space helper, the kernel's own, or fwhelpers. Shown is what then appears under
`conntrack -E expect`; *announced* is the port that the protocol named, *one* and *many* tell how many connections may
use it, and seconds are rounded up to five.
"""


def differences(theirs: Seen, ours: Seen) -> Iterator[str]:
    """The fields in which two candidates differ."""
    if theirs.works != ours.works:
        yield "works"
    if len(theirs.holes) != len(ours.holes):
        yield "holes"
        return
    pairs = list(zip(sorted(theirs.holes), sorted(ours.holes), strict=True))
    for field in Hole._fields:
        if any(getattr(a, field) != getattr(b, field) for a, b in pairs):
            yield field


def reason(case: str, step: str, candidate: str, field: str) -> str:
    """The reason on record for a difference; empty if there is none."""
    asked = (case, step, candidate, field)
    for patterns, text in REASONS.items():
        if all(fnmatch(word, pattern) for word, pattern in zip(asked, patterns, strict=True)):
            return text
    return ""


def explained(case: Case, found: Found) -> Iterator[tuple[str, str, str, str]]:
    """Each difference between ours and another: candidate, announcement, field, reason."""
    for candidate in set(found) - {"fwhelpers"}:
        for step, ours in found["fwhelpers"].items():
            for field in differences(found[candidate][step], ours):
                yield candidate, step, field, reason(case.name, step, candidate, field)


def section(case: Case, found: Found) -> str:
    """A case's part of the page."""
    columns = [name for name in CANDIDATES if name in found]
    lines = [f"## {case.name}", "", f"| announced by | {' | '.join(columns)} |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for step in found["fwhelpers"]:
        cells = " | ".join(str(found[name][step]) for name in columns)
        lines.append(f"| {step} | {cells} |")
    why: dict[str, set[str]] = {}
    for candidate, step, field, text in explained(case, found):
        why.setdefault(f"{candidate}, {field}: {text}", set()).add(step)
    notes = [f"- {text} ({'; '.join(sorted(steps))})" for text, steps in sorted(why.items())]
    return "\n".join([*lines, "", "Where fwhelpers differs:" if notes else "", "", *notes, ""])


def page(where: Path) -> str:
    """The whole page, of the sections that a run left behind."""
    return "\n".join([_HEAD, *(part.read_text() for part in sorted(where.glob("comparison-*.md")))])


if __name__ == "__main__":
    print(page(Path(sys.argv[1])), end="")
