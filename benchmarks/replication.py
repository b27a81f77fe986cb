"""What does the replication of an expectation to the other gateway cost?

    PYTHONPATH=. python benchmarks/replication.py [--records N] [--rounds N]

Two processes `fwhelpers replicate` over loopback with TLS 1.3 and certificates of ECDSA P-256. This process is the
manager of the first gateway: in each round N expectations of IPv4 behind SNAT are created and end. What the manager
takes for the kernel's events without replication is subtracted. Needs openssl. Prints medians of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fwhelpers.api import DatagramParser, Helper
from fwhelpers.daemon.replication_feed import ReplicationFeed
from fwhelpers.engine.registry import Account
from fwhelpers.events.serialize import InstalledHelpers
from fwhelpers.events.stream import EventStream
from fwhelpers.kernel import expect, nfnl
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.kernel.nfnl import Message
from fwhelpers.kernel.raw_events import RawExpectation
from fwhelpers.replication import local_table, records

C, S, OUTER = bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2)), bytes((10, 0, 2, 1))
MASTER = Tuple(C, S, 6, 40000, 21)
_TICKS = os.sysconf("SC_CLK_TCK")


class Round(NamedTuple):
    """Seconds and processor seconds of one exchange of all records."""

    seconds: float
    manager: float
    sender: float
    receiver: float


def expectation(number: int) -> Expectation:
    expected = Tuple(S, OUTER, 6, 0, 1024 + number)
    nat = Tuple(C, bytes(4), 6, 1024 + number, 0)
    return Expectation(
        MASTER, expected, mask_for(expected), timeout=3600, helper="fw-ftp", nat=nat, nat_dir=1,
        fn="nat-follow-master", id=number,
    )  # fmt: skip


class Gateway:
    """A process `fwhelpers replicate`."""

    def __init__(self, folder: Path, own: str, peer: str, other: Path) -> None:
        self.table = folder / "table"
        lines = [
            "[replication]", f'listen = "{own}"', f'peer = "{peer}"', f'certificate = "{folder}/own.crt"',
            f'key = "{folder}/own.key"', f'peer_certificate = "{other}/own.crt"',
        ]  # fmt: skip
        (folder / "fwhelpers.toml").write_text("\n".join(lines))
        runtime = folder / "run"
        runtime.mkdir()
        environ = os.environ | {
            "FWHELPERS_RUNTIME": str(runtime), "FWHELPERS_REPLICATION_RUNTIME": str(self.table),
        }  # fmt: skip
        argv = [sys.executable, "-m", "fwhelpers", "replicate", "--config", str(folder)]
        self.process = subprocess.Popen(argv, env=environ, stdout=subprocess.DEVNULL)
        self.runtime = runtime

    def processor(self) -> float:
        """Return the processor seconds that it has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def status(self) -> records.Status:
        try:
            return local_table.ask(self.table / "table", False, 10).status
        except OSError:
            return records.Status()


def certificate(folder: Path) -> Path:
    folder.mkdir()
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    argv += ["-noenc", "-days", "2", "-subj", "/CN=x", "-keyout", "own.key", "-out", "own.crt"]
    subprocess.run(argv, cwd=folder, check=True, capture_output=True)
    return folder


@contextmanager
def gateways(folder: Path) -> Iterator[tuple[Gateway, Gateway]]:
    first, second = certificate(folder / "a"), certificate(folder / "b")
    port = 20000 + os.getpid() % 20000
    addresses = f"127.0.0.1:{port}", f"127.0.0.2:{port}"
    pair = Gateway(first, *addresses, second), Gateway(second, *addresses[::-1], first)
    try:
        yield pair
    finally:
        for gateway in pair:
            gateway.process.terminate()
            gateway.process.wait()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise SystemExit("the gateways do not connect")


class Manager:
    """The first gateway's manager, as far as the feed goes."""

    def __init__(self, runtime: Path, count: int, listen: bool = True) -> None:
        self.events = EventStream()
        self.events._attribution.holding = False
        helper = Helper("ftp", "tcp", [21], DatagramParser)
        self.events.set_installed(InstalledHelpers({"fw-ftp": helper}, {"ftp": "ftp"}))
        self.feed = ReplicationFeed(self.events, runtime)
        if listen:
            self.feed.configure(True)
        self.raws = [RawExpectation.of(expectation(number)) for number in range(count)]
        account = Account("fw-ftp", C)
        for raw in self.raws:
            self.events._reported.add(raw.identity, 1000, account, 3600, time.monotonic())

    def event(self, kind: int) -> None:
        now = time.monotonic()
        for raw in self.raws:
            message = Message(nfnl.CTNETLINK_EXP << 8 | kind, 0, 0, 2, 0, memoryview(raw.payload))
            self.events.on_kernel_event(message, now)


def own_processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def measure(
    manager: Manager, pair: tuple[Gateway, Gateway], kind: int, expected: int
) -> Round:
    """Cause all events, and wait until the other gateway has confirmed their result."""
    first, second = pair
    before = time.monotonic(), own_processor(), first.processor(), second.processor()
    # in parts, as the kernel's events are collected for 20 ms
    everything, manager.raws = manager.raws, []
    for start in range(0, len(everything), 256):
        manager.raws = everything[start : start + 256]
        manager.event(kind)
        await asyncio.sleep(0)
    manager.raws = everything
    await until(lambda: (manager.feed.status() or records.Status()).confirmed == expected)
    after = time.monotonic(), own_processor(), first.processor(), second.processor()
    return Round(*(b - a for a, b in zip(before, after, strict=True)))


def without(count: int, rounds: int) -> dict[str, float]:
    """Return the processor seconds for the kernel's events where nothing is replicated."""
    with tempfile.TemporaryDirectory() as name:
        manager = Manager(Path(name), count, listen=False)
    costs: dict[str, list[float]] = {"created": [], "ended": []}
    for _ in range(rounds):
        for kind, event in (("created", expect.NEW), ("ended", expect.DELETE)):
            before = own_processor()
            manager.event(event)
            costs[kind].append(own_processor() - before)
    return {kind: statistics.median(values) for kind, values in costs.items()}


async def run(count: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name, gateways(Path(name)) as pair:
        manager = Manager(pair[0].runtime, count)
        await until(lambda: pair[0].status().connected)
        await until(lambda: manager.events.on_change is not None)
        results: dict[str, list[Round]] = {"created": [], "ended": []}
        for _ in range(rounds):
            results["created"].append(await measure(manager, pair, expect.NEW, count))
            results["ended"].append(await measure(manager, pair, expect.DELETE, 0))
        manager.feed.close()
        await asyncio.sleep(0)
    base = without(count, rounds)
    raw = manager.raws[0]
    account = Account("fw-ftp", C)
    live = records.Live(count, raw.identity, raw.payload, 3600.0, account, "PORT")
    sizes = {"created": records.encode(live), "ended": records.encode(records.Ended(count))}
    print(f"{count} expectations of IPv4 behind SNAT, medians of {rounds} rounds\n")
    print("| event | bytes | manager | sender | receiver |\n|---|---|---|---|---|")
    for kind, values in results.items():
        medians = [
            statistics.median(getattr(value, part) for value in values)
            for part in ("manager", "sender", "receiver")
        ]
        medians[0] -= base[kind]
        cells = " | ".join(f"{cost / count * 1e6:.1f} µs" for cost in medians)
        print(f"| {kind} | {len(sizes[kind])} | {cells} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=16000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.records, arguments.rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
