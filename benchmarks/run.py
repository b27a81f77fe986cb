"""Side by side in one boot: no helper, conntrackd's user-space helper, the kernel's helper, ours.

    ./dev bench            prints a table of ratios to "no helper", medians of the rounds, and writes build/bench.json

Two things are measured, between client and server through the lab's gateway:

    rpc    GETPORT transactions a second, 16 outstanding on one UDP socket, and the latency of one at a time
    bulk   megabytes a second of one TCP connection on a helped port (21), after a greeting

The order of the candidates changes from round to round, so that a drift of the machine hits all alike.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import reference  # noqa: E402
from lab.process import wait_until  # noqa: E402
from lab.topology import Lab  # noqa: E402

LOAD = str(Path(__file__).with_name("load.py"))
MEGABYTES = 32
TRANSACTIONS = 600

_KERNEL = """
table inet bench {
    ct helper ftp {
        type "ftp" protocol tcp
    }
    chain assign {
        type filter hook prerouting priority -150
        tcp dport 21 ct helper set "ftp"
    }
}
"""


@contextmanager
def nothing(lab: Lab) -> Iterator[None]:
    yield


@contextmanager
def ours(lab: Lab) -> Iterator[None]:
    daemon = lab.start_fwhelpers("[helpers.rpc]\n[helpers.rpc.guard]\nrate = 1000\n[helpers.ftp]\n")
    yield
    daemon.stop()
    lab.fwhelpers("unregister")


@contextmanager
def conntrackd(lab: Lab) -> Iterator[None]:
    before = len(lab.cleanups)
    reference.start(lab, [reference.Wanted("rpc", "udp", 111), reference.Wanted("ftp", "tcp", 21)])
    yield
    while len(lab.cleanups) > before:
        lab.cleanups.pop()()


@contextmanager
def kernel(lab: Lab) -> Iterator[None]:
    lab.run("g", "modprobe", "nf_conntrack_ftp")
    lab.nft(_KERNEL)
    yield
    lab.nft("delete table inet bench")
    # its name would be in conntrackd's way; its references go a moment after the table
    wait_until(
        lambda: not lab.run("g", "rmmod", "nf_conntrack_ftp", check=False).returncode, "rmmod"
    )


CANDIDATES: dict[str, Callable[[Lab], object]] = {
    "no helper": nothing, "conntrackd": conntrackd, "kernel": kernel, "fwhelpers": ours,
}  # fmt: skip


def measure(lab: Lab, name: str) -> dict[str, float]:
    """One candidate's figures."""
    found: dict[str, float] = {}
    if name != "kernel":  # which has no helper for rpc
        said = lab.run("c", sys.executable, LOAD, "rpc", "10.0.2.2", str(TRANSACTIONS), timeout=200)
        found |= json.loads(said.stdout)
    said = lab.run("c", sys.executable, LOAD, "bulk", "10.0.2.2", timeout=300)
    return found | json.loads(said.stdout)


def rounds(count: int) -> dict[str, list[dict[str, float]]]:
    """All candidates, `count` times, in changing order."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in CANDIDATES}
    names = list(CANDIDATES)
    with Lab() as lab:
        lab.popen("s", "rpcbind", "-f")
        lab.namespaces["s"].wait_listening("udp", 111)
        lab.popen("s", sys.executable, LOAD, "serve", "10.0.2.2", str(MEGABYTES)).wait_line(
            "listening"
        )
        for number in range(count):
            for name in names[number % 4 :] + names[: number % 4]:
                with CANDIDATES[name](lab):  # type: ignore[attr-defined]
                    results[name].append(measure(lab, name))
                print(f"round {number + 1}: {name}: {results[name][-1]}", flush=True)
    return results


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Medians, and ratios to "no helper" within each round."""
    lines = [f"{'':12}" + "".join(f"{key:>28}" for key in ("rpc_per_s", "rpc_ms", "bulk_mb_per_s"))]
    for name, runs in results.items():
        row = f"{name:12}"
        for key in ("rpc_per_s", "rpc_ms", "bulk_mb_per_s"):
            if key not in runs[0]:
                row += f"{'-':>28}"
                continue
            ratios = [
                r[key] / base[key] for r, base in zip(runs, results["no helper"], strict=True)
            ]
            low, mid, high = min(ratios), statistics.median(ratios), max(ratios)
            value = statistics.median(r[key] for r in runs)
            row += f"{value:>9.2f} {mid:5.2f} ({low:.2f}–{high:.2f})".rjust(28)
        lines.append(row)
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    results = rounds(parser.parse_args().rounds)
    (ROOT / "build").mkdir(exist_ok=True)
    print(f"\nkernel {platform.release()}; median, then ratio to `no helper`: median (min–max)")
    print(table(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
