"""The packet path alone: datagrams of the queue in, verdicts out; no kernel, no network.

    ./dev bench --path [--json FILE]     µs and instructions a packet, interpreted and compiled
    ./dev bench --compare REV            instructions a packet, side by side with a revision
    ./dev bench --record                 record the instructions in benchmarks/path.json
    ./dev bench --verify                 compare them with those recorded

Instructions are counted by callgrind, in user space, and include the worker's loop. They differ from one build of
Python to another, so those of a plain loop (the yardstick) are counted as well, and a record is of one minor version.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("plugins", "support")]

from path_gateway import Gateway  # noqa: E402
from path_messages import CONVERSATIONS  # noqa: E402

RECORD = Path(__file__).with_name("path.json")
TOLERANCE = 0.10
WARM_UP = 4  #: flows before the count begins
FLOWS, ROUNDS = 16, 9  #: counted flows; timed rounds of as many flows
YARDSTICK = "yardstick"
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"

Figures = dict[str, float]  #: by conversation


def modules(tree: Path, compiled: bool = False) -> Path:
    """Return the folder from which a source tree's modules are imported."""
    if compiled:
        environment = {"PYTHON": sys.executable, "PATH": "/usr/bin:/bin"}
        command = [ROOT / "tools/compile", tree]
        output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
        return Path(output.decode().strip())
    folder = ROOT / "build/path" / tree.name
    folder.mkdir(parents=True, exist_ok=True)
    for name, package in (("fwhelpers", "fwhelpers"), ("fwhelpers_plugins", "plugins")):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(tree / package)
    return folder


def microseconds(folder: Path) -> Figures:
    """Return the processor time a packet, the median of the rounds."""
    figures = {}
    with Gateway(folder) as gateway:
        for name, conversation in CONVERSATIONS.items():
            gateway.run(conversation, FLOWS)
            rounds = []
            for _ in range(ROUNDS):
                before = gateway.mark()
                packets = gateway.run(conversation, FLOWS)
                used = gateway.mark().nanoseconds - before.nanoseconds
                rounds.append(used / packets / 1000)
            figures[name] = statistics.median(rounds)
    return figures


def instructions(folder: Path) -> Figures:
    """Return the instructions a packet. Raises ValueError if a conversation did not make its expectations."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory, "count")
        # a part of the output ends at each mark
        valgrind = [
            "valgrind", "--quiet", "--tool=callgrind", "--dump-before=getppid",
            f"--callgrind-out-file={output}",
        ]  # fmt: skip
        packets: dict[str, int] = {}
        with Gateway(folder, valgrind) as gateway:
            gateway.mark(yardstick=True)
            for name, conversation in CONVERSATIONS.items():
                gateway.run(conversation, WARM_UP)
                created, attached = gateway.mark().created, gateway.attached
                packets[name] = gateway.run(conversation, FLOWS)
                opened = gateway.mark().created - created + gateway.attached - attached
                if opened != conversation.expectations * FLOWS:
                    raise ValueError(f"{name}: {opened} expectations for {FLOWS} flows")
        totals = [_total(Path(f"{output}.{part}")) for part in range(1, 2 * len(packets) + 3)]
    # parts: start, yardstick, then two for each conversation
    counts = dict(zip(packets, totals[3::2], strict=True))
    figures: Figures = {name: round(counts[name] / packets[name]) for name in packets}
    return {YARDSTICK: totals[1], **figures}


def _total(part: Path) -> int:
    (line,) = (line for line in part.read_text().splitlines() if line.startswith("totals:"))
    return int(line.split()[1])


def rises(figures: Mapping[str, float], base: Mapping[str, float]) -> Figures:
    """Return by how much each figure is above the base's, as a share, in the same number of yardsticks."""
    scale = base[YARDSTICK] / figures[YARDSTICK]
    return {name: figures[name] * scale / base[name] - 1 for name in CONVERSATIONS if name in base}


def show_path(file: Path | None) -> int:
    report: dict[str, Figures] = {}
    for kind in ("interpreted", "compiled"):
        folder = modules(ROOT, kind == "compiled")
        report[f"{kind}, µs"] = microseconds(folder)
        report[f"{kind}, instructions"] = instructions(folder)
    _table(report)
    if file:
        file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
    return 0


def _table(report: Mapping[str, Figures]) -> None:
    print("| a packet of | " + " | ".join(report) + " |\n|---|" + "---|" * len(report))
    for name in CONVERSATIONS:
        cells = [
            f"{figures[name]:,.0f}" if figures[name] >= 1000 else f"{figures[name]:.1f}"
            for figures in report.values()
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def compare(revision: str) -> int:
    """Count both; return 1 if a conversation takes more than 10 % more instructions than the revision."""
    tree = ROOT / "build/compare"
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "--force", "--detach", tree, revision], check=True)
    try:
        base = instructions(modules(tree))
    finally:
        subprocess.run([*git, "remove", "--force", tree], check=True)
    figures = instructions(modules(ROOT))
    _table({revision: base, "this tree": figures})
    return _judge(figures, base)


def _judge(figures: Figures, base: Mapping[str, float]) -> int:
    failed = 0
    for name, rise in rises(figures, base).items():
        failed |= rise > TOLERANCE
        mark = "  FAIL: above +10 %" if rise > TOLERANCE else ""
        print(f"{name:10} {figures[name]:>9,.0f} instructions a packet, {rise:+.1%}{mark}")
    return int(failed)


def record() -> int:
    """Replace this Python's record."""
    records = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    records[MINOR] = instructions(modules(ROOT))
    RECORD.write_text(json.dumps(records, indent=1, sort_keys=True) + "\n")
    return 0


def verify() -> int:
    base = (json.loads(RECORD.read_text()) if RECORD.exists() else {}).get(MINOR)
    if base is None:
        print(f"skipped: no record for Python {MINOR}; ./dev bench --record makes one")
        return 0
    return _judge(instructions(modules(ROOT)), base)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description="measure the packet path")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--path", action="store_true", help="interpreted and compiled")
    action.add_argument("--compare", metavar="REV", help="with another revision")
    action.add_argument("--record", action="store_true", help="keep the figures for --verify")
    action.add_argument("--verify", action="store_true", help="compare with the recorded figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of --path")
    arguments = parser.parse_args()
    if arguments.path:
        return show_path(arguments.json)
    if arguments.compare:
        return compare(arguments.compare)
    return record() if arguments.record else verify()


if __name__ == "__main__":
    sys.exit(main())
