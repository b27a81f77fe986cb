"""A worker: one process, one queue. It parses what strangers send, so it knows as little as possible.

Started by the supervisor with inherited descriptors: the bound queue, a control channel, a shared page, and a file for
what one worker leaves to the next. The queue belongs to the manager as well: when this process dies, packets wait in it
for the next one. With its first order it loads the plugins and enters the sandbox (`enter_sandbox`): later code
has only the descriptors and modules that are open and loaded by then.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import pickle
import select
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.engine.verdict import Report, Verdict
from fwhelpers.kernel import labels, nfqueue
from fwhelpers.kernel.socket import NetlinkSocket, QueueSocket
from fwhelpers.plugin.manager import Plugins, load
from fwhelpers.registration.cthelpers import CtHelperTable
from fwhelpers.worker.config import HANDOVER, MAX_CONTROL, WorkerConfig
from fwhelpers.worker.expectations import ExpectationTable
from fwhelpers.worker.messages import encode_made
from fwhelpers.worker.onlink import OnLinkPrefixes
from fwhelpers.worker.sandbox import enter_sandbox
from fwhelpers.worker.shared_memory import HandoverFile, SharedStats
from fwhelpers.worker.summary import summarize

BEAT = 0.5  #: seconds between heartbeats of an idle worker
#: news sent to the manager, of holes and again of all else (who makes us refuse must not hide what is opened);
#: the rest is only counted
NOTES_A_SECOND = 100
DRAIN = 0.3  #: seconds without a packet after which a queue counts as drained
_PR_SET_NAME = 15

_DONE = labels.bits(labels.DONE)


class VerdictBatch:
    """Collects verdicts and sends them with as few system calls as their order allows."""

    def __init__(self, sock: QueueSocket, number: int) -> None:
        self._sock = sock
        self._number = number
        self._parts: list[bytes] = []
        self._plain = 0

    def add(self, packet: nfqueue.Packet, verdict: Verdict) -> None:
        """Enter a packet's verdict."""
        if verdict.plain:
            self._plain = packet.id
            return
        self._close_batch()
        self._parts.append(_encode(self._number, packet, verdict))

    def flush(self) -> None:
        """Send all that was entered."""
        self._close_batch()
        if self._parts:
            self._sock.send(b"".join(self._parts))
            self._parts.clear()

    def _close_batch(self) -> None:
        # a batch answers all ids up to its own, so it must go before any later packet's own verdict
        if self._plain:
            self._parts.append(nfqueue.encode_batch(self._number, self._plain))
            self._plain = 0


def _encode(number: int, packet: nfqueue.Packet, verdict: Verdict) -> bytes:
    what = (
        nfqueue.DROP if not verdict.accept else nfqueue.REPEAT if verdict.repeat else nfqueue.ACCEPT
    )
    return nfqueue.encode_verdict(
        number,
        packet.id,
        what,
        payload=verdict.payload,
        info=(packet.helper, verdict.info) if verdict.info is not None else None,
        labels=(_DONE, _DONE) if verdict.done else None,
        timeout=verdict.timeout,
        status=verdict.status,
        expectation=verdict.expectation,
    )


class Reporter:
    """Counts what happens and tells the manager, never waiting for it."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._counts: dict[str, Counter[str]] = {}
        self._changed = False
        self._told: Counter[bool] = Counter()
        self._untold = 0
        self._second = 0

    def __call__(self, note: Report) -> None:
        self._counts.setdefault(note.helper, Counter())[note.kind] += 1
        self._changed = True
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._told.clear()
        opened = note.kind == "expected"
        self._told[opened] += 1
        if self._told[opened] > NOTES_A_SECOND or not self._send({"note": _describe(note)}):
            self._untold += 1

    def report(self) -> None:
        """Send the counts if they changed, and how much was not told."""
        if self._untold and int(time.monotonic()) != self._second:
            self._untold *= not self._send({"untold": self._untold})
        if self._changed:
            self._changed = not self._send(
                {"counts": {k: dict(v) for k, v in self._counts.items()}}
            )

    def ready(self) -> None:
        """Tell that packets can come."""
        self._send({"ready": os.getpid()})

    def problem(self, text: str) -> None:
        """Tell of something that went wrong outside any flow."""
        self._send({"problem": text})

    def lacking(self, what: list[str]) -> None:
        """Tell what this system could not do to shut us in."""
        if what:
            self._send({"lacking": what})

    def _send(self, message: dict[str, Any]) -> bool:
        try:
            self._control.send(json.dumps(message).encode())
        except (BlockingIOError, OSError):
            return False
        return True


def _describe(note: Report) -> dict[str, Any]:
    made = note.expectation
    return {
        "kind": note.kind,
        "helper": note.helper,
        "client": str(note.flow.client),
        "server": str(note.flow.server),
        "l4": note.flow.l4,
        "reason": note.reason,
        "rule": note.rule,
        "what": note.what,
        "endpoint": str(note.refused or ""),
        "expected": summarize(made) if made else "",
        "interface": note.interface,
        "timeout": made.timeout if made else 0,
        "made": encode_made(made) if made else None,
    }


class Worker:
    """The loop: drain the queue, judge, answer, beat."""

    def __init__(
        self,
        sock: QueueSocket,
        number: int,
        control: socket.socket,
        page: SharedStats,
        flows: HandoverFile,
    ) -> None:
        self._sock = sock
        self._flows = flows
        self._page = page
        self._control = control
        self._news = Reporter(control)
        self._answers = VerdictBatch(sock, number)
        self._netlink = NetlinkSocket()
        self._inspector = Inspector(
            {}, ExpectationTable(self._netlink), self._news, links=OnLinkPrefixes()
        )
        self._order = WorkerConfig({})
        self._plugins: Plugins | None = None
        self._leaving = False

    def run(self) -> None:
        """Work until the manager says stop or is gone, then answer what is left in the queue."""
        poll = select.poll()
        poll.register(self._control.fileno(), select.POLLIN)
        poll.poll()  # packets may wait already: judged without orders, their flows would be let go
        stopping = not self._obey()
        poll.register(self._sock.fileno(), select.POLLIN)
        while not stopping:
            ready = {fd for fd, _ in poll.poll(BEAT * 1000)}
            self._page.beat()
            if self._sock.fileno() in ready:
                self.drain()
            self._inspector.tick(time.monotonic())
            if self._control.fileno() in ready:
                stopping = not self._obey()
            self._news.report()
        if not self._leaving:
            self._finish()
        self._news.report()
        self._flows.leave(self._inspector.hand_over())

    def drain(self) -> int:
        """Take what the queue has, answer it; returns how many packets."""
        packets = [p for buffer in self._sock.receive() for p in nfqueue.parse_packets(buffer)]
        if not packets:
            return 0
        # should we die or hang now, the manager lets these pass
        self._page.last_id = packets[-1].id
        self._page.overflows = self._sock.overflows
        self._page.publish()
        now = time.monotonic()
        for packet in packets:
            self._answers.add(packet, self._inspector.packet(packet, now))
        self._answers.flush()
        self._page.packets += len(packets)
        return len(packets)

    def _obey(self) -> bool:
        try:
            message = self._control.recv(MAX_CONTROL)
        except OSError:
            message = b""
        self._leaving = message == HANDOVER
        if not message or self._leaving:
            return False
        order = pickle.loads(message)  # noqa: S301 - from our own parent, over a socketpair
        if not isinstance(order, WorkerConfig):
            return False
        self._order = order
        if self._plugins is None:
            self._plugins = load(blocked=order.blocked).plus(order.rows)
            self._sock.prepare()
            self._news.lacking(enter_sandbox())
            self._configure(order, self._plugins)
            self._resume()
        else:
            self._configure(order, self._plugins)
        self._news.ready()
        return True

    def _resume(self) -> None:
        try:
            self._inspector.resume(self._flows.left)
        except ValueError as error:
            self._news.problem(f"what another worker left can't be read: {error}")
        self._flows.left = b""

    def _configure(self, order: WorkerConfig, plugins: Plugins) -> None:
        active = {}
        for name, given in order.helpers.items():
            helper = plugins.helpers.get(name)
            if helper is None:
                self._news.problem(f"helper {name} is not there any more")
                continue
            active[helper.kernel_name] = Active(helper, given["settings"], given["limits"])
        self._inspector.configure(active)
        gc.collect()
        gc.freeze()

    def _finish(self) -> None:
        if self._order.disable_at_end:
            CtHelperTable(self._netlink).disable_all()
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLIN)
        while poll.poll(DRAIN * 1000):
            self._page.beat()
            self.drain()


def main(arguments: Iterable[str]) -> int:
    """Entry of the worker process: descriptors of queue, control and page, and the queue's number."""
    queue_fd, control_fd, page_fd, flows_fd, number = map(int, arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's ^C goes to the manager, who asks us
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_NAME, f"fwhelpers-q{number}".encode(), 0, 0, 0)
    control = socket.socket(fileno=control_fd)
    control.setblocking(False)
    Worker(
        QueueSocket(fd=queue_fd), number, control, SharedStats(page_fd), HandoverFile(flows_fd)
    ).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
