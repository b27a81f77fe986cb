"""The manager's part alone: instructions for each part of what an expectation causes there.

    .venv/bin/python benchmarks/events.py [--tree FOLDER] [--part NAME …]

No D-Bus client listens. Instructions are counted by callgrind, in user space, as the difference of two runs, after a
first one that compiles the modules. As in the service, the collector does not look at what exists before.

| part | what is handled |
|---|---|
| tftp | the kernel's six events of a transfer: two connections and the expectation begin and end |
| rpc | the kernel's two events of an expectation that nobody uses, one of many of one connection |
| report | a worker's message about an expectation, one of 32 in a datagram: encoded by the worker, decoded, counted |
| log | the line of the log for it, with the datagram for the journal |
"""

from __future__ import annotations

import argparse
import gc
import logging
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FEW, MANY = 600, 1200  #: of what is measured, in the two runs
OPEN = 200  #: expectations whose connections exist at the same time
STEP = 0.001  #: seconds between expectations
BATCH = 32  #: reports in a datagram

CLIENT, SERVER = bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2))
Handle = Callable[[int], None]


def expectation_of(request: Any, data: Any, helper: str) -> Any:
    from fwhelpers.kernel.expect import Expectation, mask_for

    expected = data._replace(sport=0)
    return Expectation(request, expected, mask_for(expected), timeout=30, helper=helper)


def expectation_events(expectation: Any, number: int) -> tuple[bytes, bytes]:
    """Return the events of its begin and of its end."""
    from fwhelpers.kernel import expect, nfnl
    from fwhelpers.kernel.nla import be32, strz

    (created,) = nfnl.split(expect.encode_create(expectation))
    body = bytes(created.payload) + be32(4, 29) + be32(5, number) + strz(6, expectation.helper)
    begin, end = (
        nfnl.message(nfnl.CTNETLINK_EXP, kind, 0, body, family=2)
        for kind in (expect.NEW, expect.DELETE)
    )
    return begin, end


def transfer(number: int) -> tuple[list[bytes], list[bytes]]:
    """Return the events of a transfer's begin, and of the end of its connections."""
    from fwhelpers.kernel import conntrack, nfnl
    from fwhelpers.kernel.conntrack import Tuple, encode_tuple
    from fwhelpers.kernel.nla import attr, be32, nest, strz

    port, answer = 1024 + number % 60000, 40000 + number % 20000
    request, data = Tuple(CLIENT, SERVER, 17, port, 69), Tuple(SERVER, CLIENT, 17, answer, port)

    def connection_event(kind: int, orig: Tuple, status: int, last: bytes) -> bytes:
        reply = Tuple(orig.dst, orig.src, 17, orig.dport, orig.sport)
        body = encode_tuple(1, orig) + encode_tuple(2, reply) + be32(12, number) + be32(3, status)
        return nfnl.message(nfnl.CTNETLINK, kind, 0, body + last, family=2)

    helped = 0x2008, nest(5, strz(1, "fw-tftp"), attr(2, bytes(32)))
    expected = 9, encode_tuple(14, request)
    begin = [
        *expectation_events(expectation_of(request, data, "fw-tftp"), number),
        connection_event(conntrack.NEW, data, *expected), connection_event(conntrack.NEW, request, *helped),
    ]  # fmt: skip
    end = [
        connection_event(conntrack.DELETE, request, *helped), connection_event(conntrack.DELETE, data, *expected),
    ]  # fmt: skip
    return begin, end


def rpc(number: int) -> Any:
    """Return the expectation of an answer about another port."""
    from fwhelpers.kernel.conntrack import Tuple

    request = Tuple(CLIENT, SERVER, 17, 1000, 111)
    return expectation_of(request, Tuple(CLIENT, SERVER, 17, 0, 1024 + number % 60000), "fw-rpc")


def answer(number: int) -> tuple[list[bytes], list[bytes]]:
    begin, end = expectation_events(rpc(number), number)
    return [begin], [end]


def event_stream() -> Any:
    from fwhelpers.api import DatagramParser, Helper
    from fwhelpers.events.serialize import InstalledHelpers
    from fwhelpers.events.stream import EventStream

    stream = EventStream()
    helpers = [
        Helper("tftp", "udp", [69], DatagramParser),
        Helper("rpc", "udp", [111], DatagramParser),
    ]
    stream.set_installed(InstalledHelpers({f"fw-{helper.name}": helper for helper in helpers}, {}))
    return stream


def events(make: Callable[[int], tuple[list[bytes], list[bytes]]]) -> Handle:
    """Pass the events of so many expectations to the stream."""
    from fwhelpers.kernel import nfnl

    stream = event_stream()
    batches = [make(number) for number in range(MANY)]  # the same effort in both runs

    def handle(count: int) -> None:
        for number in range(count):
            now = number * STEP
            ended = batches[number - OPEN][1] if number >= OPEN else []
            for datagram in (*batches[number][0], *ended):
                for message in nfnl.split(datagram):
                    stream.on_kernel_event(message, now)
            if number % OPEN == 0:
                stream.advance(now)

    return handle


def report_of(number: int) -> Any:
    """Return the engine's report of an expectation."""
    from fwhelpers.api import Endpoint, Flow
    from fwhelpers.engine.registry import Account
    from fwhelpers.engine.verdict import Report

    flow = Flow("udp", Endpoint(CLIENT, 1000), Endpoint(SERVER, 111))
    account = Account("rpc", CLIENT, SERVER)
    return Report(
        "expected", "fw-rpc", flow, "", "", rpc(number), None, "GETPORT", account, 3
    )  # fmt: skip


def reports() -> Handle:
    from fwhelpers.worker import messages, reporter

    stream = event_stream()
    all_reports = [report_of(number) for number in range(MANY)]

    def handle(count: int) -> None:
        for first in range(0, count, BATCH):
            batch = all_reports[first : first + BATCH]
            datagram = messages.encode(*map(reporter._flow_report, batch))
            for data in messages.split(datagram):
                stream.on_worker_message(1000, messages.decode(data), first * STEP)
            stream.advance(first * STEP)

    return handle


def log_lines() -> Handle:
    from fwhelpers.daemon import journal
    from fwhelpers.daemon.event_log import EventLog
    from fwhelpers.worker import messages, reporter

    class Sink:
        def sendto(self, data: bytes, path: str) -> None:
            pass

        def close(self) -> None:
            pass

    handler = journal.JournalHandler(logging.NullHandler())
    handler._sock = Sink()  # type: ignore[assignment]
    logging.logProcesses = logging.logMultiprocessing = logging.logThreads = False
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    log = EventLog(lambda name: "rpc")
    datagrams = [messages.encode(reporter._flow_report(report_of(n))) for n in range(MANY)]
    decoded = [messages.decode(data) for datagram in datagrams for data in messages.split(datagram)]

    def handle(count: int) -> None:
        for message in decoded[:count]:
            log.write(1000, message)

    return handle


PARTS: dict[str, Callable[[], Handle]] = {
    "tftp": lambda: events(transfer),
    "rpc": lambda: events(answer),
    "report": reports,
    "log": log_lines,
}


def instructions(tree: Path, part: str) -> float:
    """Return the instructions of one expectation. Raises CalledProcessError."""
    environment = {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1", "PYTHONHASHSEED": "0"}
    program = [sys.executable, __file__, "--part", part, "--count"]

    def total(count: int) -> int:
        with tempfile.NamedTemporaryFile() as output:
            valgrind = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={output.name}"]
            subprocess.run([*valgrind, *program, str(count)], env=environment, check=True)
            text = Path(output.name).read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line[:7] == "totals:")

    subprocess.run([*program, "1"], env=environment, check=True)
    few, many = total(FEW), total(MANY)
    return (many - few) / (MANY - FEW)


def lines(arguments: argparse.Namespace) -> Iterator[str]:
    if arguments.count is not None:
        handle = PARTS[arguments.part[0]]()
        gc.collect()
        gc.freeze()
        handle(arguments.count)
        return
    for part in arguments.part:
        yield f"{part}: {instructions(arguments.tree, part):,.0f} instructions"


def main() -> int:
    parser = argparse.ArgumentParser(description="the manager's instructions for an expectation")
    parser.add_argument("--tree", type=Path, default=ROOT, help="a source tree; default: this one")
    parser.add_argument(
        "--part", nargs="+", choices=PARTS, default=list(PARTS), help="default: all"
    )
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    for line in lines(parser.parse_args()):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
