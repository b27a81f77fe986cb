"""Print docs/support.md's table of the releases on which tests ran, from the runs of ./dev test --release.

Each run leaves build/releases/RELEASE/results/*.xml (pytest's JUnit format) and the versions of the release's programs
beside them. Of several runs of a test the last one counts.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASES = ROOT / "build" / "releases"
COLUMNS = ("bookworm", "trixie", "sid")
KINDS = (
    ("kernel scenarios", ("tests.vm",)),
    ("packages", ("tests.packaging",)),
    ("all others", ("tests",)),
)


def read_versions(folder: Path) -> dict[str, str]:
    """Return the versions by program."""
    lines = (folder / "versions").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)


def read_results(folder: Path) -> dict[str, Counter[str]]:
    """Return the number of tests that passed, failed and were skipped, by kind."""
    outcomes: dict[tuple[str, str], str] = {}
    for path in sorted((folder / "results").glob("*.xml"), key=lambda path: path.stat().st_mtime):
        for case in ET.parse(path).iter("testcase"):  # noqa: S314  pytest wrote it
            kinds = {child.tag for child in case}
            outcome = "failed" if kinds & {"failure", "error"} else "passed"
            outcome = "skipped" if "skipped" in kinds else outcome
            outcomes[case.get("classname", ""), case.get("name", "")] = outcome
    counts: dict[str, Counter[str]] = {}
    for (module, name), outcome in outcomes.items():
        if not exists(module, name):
            continue
        kind = next(kind for kind, starts in KINDS if module.startswith(starts))
        counts.setdefault(kind, Counter())[outcome] += 1
    return counts


@cache
def read_source(module: str) -> str:
    """Return the source of a module of tests; empty if there is none."""
    path = ROOT / f"{module.replace('.', '/')}.py"
    return path.read_text() if path.exists() else ""


def exists(module: str, name: str) -> bool:
    """Return whether the tree still has a test of that name."""
    if module.rpartition(".")[2].startswith("Test"):  # a class
        return bool(read_source(module.rpartition(".")[0]))
    return f"def {name.partition('[')[0]}(" in read_source(module)


def describe(counts: Counter[str] | None) -> str:
    """Return the text of a cell."""
    if counts is None:
        return "not run"
    words = [f"{counts['passed']:,} passed"]
    words += [f"{counts[word]} {word}" for word in ("failed", "skipped") if counts[word]]
    return ", ".join(words)


def main() -> None:
    """Print the table."""
    folders = [RELEASES / name for name in COLUMNS if (RELEASES / name / "versions").exists()]
    versions = [read_versions(folder) for folder in folders]
    results = [read_results(folder) for folder in folders]
    print(f"| | {' | '.join(folder.name for folder in folders)} |")
    print("|---" * (len(folders) + 1) + "|")
    for program in versions[0] if versions else ():
        print(f"| {program} | {' | '.join(v.get(program, '–') for v in versions)} |")
    for kind, _ in KINDS:
        print(f"| {kind} | {' | '.join(describe(r.get(kind)) for r in results)} |")


if __name__ == "__main__":
    main()
