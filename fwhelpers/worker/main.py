"""A worker: one process that serves one NFQUEUE.

The supervisor starts it with inherited descriptors: the bound queue, a control channel, a page of shared memory, and
the file by which workers hand over their flows. The manager holds the queue as well: when a worker dies, packets wait
in it for the next one. With its first configuration a worker loads the plugins and enters the sandbox: from then on it
has only the descriptors and modules that it already opened.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import pickle
import select
import signal
import socket
import sys
import time
from collections.abc import Iterable

from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.kernel import expect, nfqueue
from fwhelpers.kernel.socket import EventSocket, NetlinkSocket, QueueSocket
from fwhelpers.plugin.manager import Plugins, load
from fwhelpers.registration.cthelpers import CtHelperTable
from fwhelpers.worker.config import HANDOVER, MAX_CONTROL, WorkerConfig
from fwhelpers.worker.expectations import ExpectationTable
from fwhelpers.worker.onlink import AddressTable, OnLinkPrefixes
from fwhelpers.worker.reporter import Reporter
from fwhelpers.worker.sandbox import enter_sandbox
from fwhelpers.worker.shared_memory import HandoverFile, SharedStats
from fwhelpers.worker.verdict_batch import VerdictBatch

BEAT = 0.5  #: seconds between heartbeats of an idle worker
DRAIN = 0.3  #: seconds without a packet after which a queue counts as drained
_PR_SET_NAME = 15


class Worker:
    """The loop: read the queue, inspect, send the verdicts, beat."""

    def __init__(
        self,
        sock: QueueSocket,
        queue: int,
        control: socket.socket,
        stats: SharedStats,
        handover: HandoverFile,
    ) -> None:
        self._sock = sock
        self._control = control
        self._stats = stats
        self._handover = handover
        self._reporter = Reporter(control)
        self._verdicts = VerdictBatch(sock, queue)
        self._netlink = NetlinkSocket()
        self._links = OnLinkPrefixes()
        table = ExpectationTable(self._netlink, EventSocket((expect.DESTROYED,)))
        self._inspector = Inspector({}, table, self._reporter, links=self._links)
        self._config = WorkerConfig({})
        self._plugins: Plugins | None = None
        self._handing_over = False

    def run(self) -> None:
        """Serve the queue until the manager ends the worker or is gone, then answer what still waits."""
        poll = select.poll()
        poll.register(self._control.fileno(), select.POLLIN)
        stopping = False
        while self._plugins is None and not stopping:
            poll.poll()  # without a configuration the flows of packets that wait already would be released
            stopping = not self._read_command()
        poll.register(self._sock.fileno(), select.POLLIN)
        while not stopping:
            ready = {fd for fd, _ in poll.poll(BEAT * 1000)}
            self._stats.beat()
            if self._sock.fileno() in ready:
                self.serve_packets()
            self._inspector.tick(time.monotonic())
            if self._control.fileno() in ready:
                stopping = not self._read_command()
            self._reporter.flush()
        if not self._handing_over:
            self._drain()
        self._reporter.flush(final=True)
        self._handover.write(self._inspector.hand_over())

    def serve_packets(self) -> None:
        """Inspect and answer the packets that the queue has now."""
        packets = [p for buffer in self._sock.receive() for p in nfqueue.parse_packets(buffer)]
        if not packets:
            return
        # if this process now dies or hangs, the manager accepts these packets
        self._stats.last_id = packets[-1].id
        self._stats.overflows = self._sock.overflows
        self._stats.publish()
        now = time.monotonic()
        for packet, verdict in zip(packets, self._inspector.packets(packets, now), strict=True):
            self._verdicts.add(packet, verdict)
        self._reporter.send_reports()
        self._verdicts.flush()
        self._stats.packets += len(packets)

    def _read_command(self) -> bool:
        """Apply a command of the manager; False if the worker has to end."""
        try:
            message = self._control.recv(MAX_CONTROL)
        except OSError:
            message = b""
        self._handing_over = message == HANDOVER
        if not message or self._handing_over:
            return False
        match pickle.loads(message):  # noqa: S301 - from our own parent, over a socketpair
            case AddressTable() as table:
                self._links.table = table
            case WorkerConfig() as config:
                self._apply(config)
            case _:
                return False
        return True

    def _apply(self, config: WorkerConfig) -> None:
        self._config = config
        if self._plugins is None:
            plugins = load(blocked=config.blocked, installed=config.installed)
            self._plugins = plugins.with_discovery(config.rows)
            self._sock.prepare()
            self._reporter.sandbox_gaps(enter_sandbox())
            self._configure(config, self._plugins)
            self._resume()
        else:
            self._configure(config, self._plugins)
        self._reporter.ready()

    def _resume(self) -> None:
        try:
            self._inspector.resume(self._handover.content)
        except ValueError as error:
            self._reporter.problem(f"handover: flows of the previous worker are lost: {error}")
        self._handover.content = b""

    def _configure(self, config: WorkerConfig, plugins: Plugins) -> None:
        active = {}
        for name, options in config.helpers.items():
            helper = plugins.helpers.get(name)
            if helper is None:
                self._reporter.problem(f"helper {name} is no longer installed")
                continue
            active[helper.kernel_name] = Active(helper, options.settings, options.limits)
        self._inspector.configure(active, config.max_expectations)
        gc.collect()
        gc.freeze()

    def _drain(self) -> None:
        if self._config.disable_at_end:
            CtHelperTable(self._netlink).disable_all()
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLIN)
        while poll.poll(DRAIN * 1000):
            self._stats.beat()
            self.serve_packets()


def main(arguments: Iterable[str]) -> int:
    """Entry of the process. Arguments: descriptors of queue, control, page and handover file; the queue's number."""
    queue_fd, control_fd, page_fd, handover_fd, queue = map(int, arguments)
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # a terminal's ^C is for the manager, which ends us
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_NAME, f"fwhelpers-q{queue}".encode(), 0, 0, 0)
    control = socket.socket(fileno=control_fd)
    control.setblocking(False)
    Worker(
        QueueSocket(fd=queue_fd), queue, control, SharedStats(page_fd), HandoverFile(handover_fd)
    ).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
