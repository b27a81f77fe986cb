"""Side by side in one boot: no helper, netfilterqueue, conntrackd, the kernel's helpers, fwhelpers.

    ./dev bench [--rounds N] [--scale X] [--nat snat] [--load NAME …] [--candidate NAME …] [--json FILE]

The loads and their servers are compiled (load.c, peer.c, voice.c), so that they are not the bottleneck. The order of
the candidates changes from round to round, so that a drift of the machine affects all alike. Every figure is printed
with its ratio to the base's of the same round: median, lowest and highest. The base is conntrackd, for calls the
kernel's helper, for RTSP no helper. Processor time is that of all of a candidate's processes, for each transaction;
"main" is the part of the first one, which with fwhelpers is the manager. Expectations are counted by the kernel and
compared with what the load asks for.

Each load runs once before it is measured: an emulator translates machine code when it first runs, and large programs
have more of it.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from candidates import CANDIDATES, Candidate
from cost import usage
from lab.topology import SERVER, Lab
from loads import Load, loads

HERE = Path(__file__).resolve().parent
BASES = ("conntrackd", "kernel", "no helper")  #: the first that can take a load
MEGABYTES = "64"
#: seconds between a load's two runs, after which the guard's buckets are full again (engine.token_bucket: CAPACITY)
PAUSE = 2.5

Figures = dict[str, float]
#: load → candidate → one entry for each round; None where the load could not be done
Results = dict[str, dict[str, list[Figures | None]]]


def compile_programs(where: Path) -> None:
    """Compile load.c, peer.c and voice.c. Raises CalledProcessError."""
    for name in ("load", "peer", "voice"):
        source = str(HERE / f"{name}.c")
        subprocess.run(["cc", "-O2", "-pthread", "-o", str(where / name), source], check=True)


def measure(lab: Lab, candidate: Candidate, pids: Sequence[int], load: Load) -> Figures:
    """Run a load once. Raises LabError where it does not come to its end."""
    namespace = lab.namespaces["g"].pid
    load.run(lab, lab.logs)
    forget(lab)
    time.sleep(PAUSE)
    main, before = usage(pids[:1], namespace), usage(pids, namespace)
    figures = load.run(lab, lab.logs)
    used = usage(pids, namespace).since(before)
    main = usage(pids[:1], namespace).since(main)
    count = figures["count"]
    figures |= {
        "user_us": used.user / count * 1e6,
        "system_us": used.system / count * 1e6,
        "main_us": (main.user + main.system) / count * 1e6,
        "expectations": used.created,
        "pss_mb": used.pss / 1024,
    }
    if candidate.opens and load.expectations is not None:
        figures["asked"] = load.expectations
    forget(lab)
    return figures


def forget(lab: Lab) -> None:
    """Leave no expectations and connections to the next load."""
    lab.run("g", "conntrack", "-F", "expect", check=False)
    lab.run("g", "conntrack", "-F", check=False)


def rounds(arguments: argparse.Namespace) -> Iterator[tuple[int, str, str, Figures | None]]:
    """Yield (round, candidate, load, figures), as they come."""
    chosen = {n: load for n, load in loads(arguments.scale).items() if n in arguments.load}
    with Lab(arguments.nat) as lab:
        compile_programs(lab.logs)
        for rule in "udp dport { 69, 1900, 5060 } accept", "tcp dport 554 accept":
            lab.nft(f"insert rule inet firewall forward ct state new {rule}")
        lab.run("g", "ip", "route", "add", "239.0.0.0/8", "dev", "wan")
        lab.popen("s", str(lab.logs / "peer"), SERVER[4], MEGABYTES).wait_line("listening")
        lab.popen("s", str(lab.logs / "voice"), "serve", SERVER[4]).wait_line("listening")
        names = list(arguments.candidate)
        for number in range(arguments.rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                candidate = CANDIDATES[name]
                with candidate.start(lab) as pids:
                    for title, load in chosen.items():
                        if title not in candidate.loads:
                            continue
                        try:
                            yield number, name, title, measure(lab, candidate, pids, load)
                        except Exception as error:  # the others are still worth knowing
                            print(f"{name}: {title}: {error}", file=sys.stderr, flush=True)
                            yield number, name, title, None


def table(results: Results, chosen: dict[str, Load]) -> Iterator[str]:
    """One section a load: figure and ratio to the base's, latency, processor time, expectations, memory."""
    for title, by_candidate in results.items():
        key = chosen[title].figure
        base = next((name for name in BASES if any(by_candidate.get(name, ()))), "-")
        yield f"\n{title}"
        yield (
            f"  {'':15}{key:>12}  {'to ' + base:22}{'p99 ms':>9}{'user µs':>9}{'sys µs':>8}{'main µs':>9}"
            f"{'made/asked':>14}{'PSS MB':>8}"
        )
        for name, runs in by_candidate.items():
            complete = [run for run in runs if run]
            if not complete:
                yield f"  {name:15}{'failed':>12}"
                continue
            ratios = [
                run[key] / other[key]
                for run, other in zip(runs, by_candidate.get(base, []), strict=False)
                if run and other
            ]
            yield f"  {name:15}{_median(complete, key):12.2f}  {_spread(ratios):22}" + _rest(
                complete
            )


def _rest(runs: list[Figures]) -> str:
    p99 = f"{_median(runs, 'p99_ms'):9.2f}" if "p99_ms" in runs[0] else f"{'-':>9}"
    asked = f"{runs[-1]['asked']:g}" if "asked" in runs[-1] else "-"
    made = f"{_median(runs, 'expectations'):g}/{asked}"
    return (
        f"{p99}{_median(runs, 'user_us'):9.1f}{_median(runs, 'system_us'):8.1f}"
        f"{_median(runs, 'main_us'):9.1f}"
        f"{made:>14}{_median(runs, 'pss_mb'):8.1f}"
    )


def _median(runs: list[Figures], key: str) -> float:
    return statistics.median(run[key] for run in runs)


def _spread(ratios: list[float]) -> str:
    if not ratios:
        return "-"
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def _arguments() -> argparse.Namespace:
    every = list(loads(1))
    parser = argparse.ArgumentParser(prog="./dev bench", description="compare helpers in one boot")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="multiply every count")
    parser.add_argument("--load", nargs="+", choices=every, default=every)
    parser.add_argument("--candidate", nargs="+", choices=CANDIDATES, default=list(CANDIDATES))
    parser.add_argument("--nat", choices=("none", "snat"), default="none", help="snat: masquerade")
    parser.add_argument("--json", type=Path, help="write every figure of every round")
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    results: Results = {}
    for number, name, title, figures in rounds(arguments):
        results.setdefault(title, {}).setdefault(name, []).append(figures)
        print(f"round {number + 1}: {name}: {title}: {figures}", file=sys.stderr, flush=True)
    print(f"kernel {platform.release()}, {arguments.rounds} rounds, scale {arguments.scale:g}")
    print("\n".join(table(results, loads(arguments.scale))))
    if arguments.json:
        report: dict[str, Any] = {"kernel": platform.release(), "results": results}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
