"""The kernel's side of `path_worker.py`: queues packets, reads verdicts, keeps conntrack's entries."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from path_flows import Flow
from path_messages import CONVERSATIONS, Conversation
from path_worker import MARK

from fwhelpers.kernel import nfnl
from fwhelpers.kernel.nla import parse
from fwhelpers.testing.queued_packet import QueuedPacket

_WORKER = Path(__file__).with_name("path_worker.py")
_VERDICT, _BATCH = 1, 3  # enum nfqnl_msg_types
_VERDICT_HDR, _CT, _EXP = 2, 11, 15
_REPEAT = 4
BUFFER = 1 << 20


class Mark(NamedTuple):
    """What the worker has used and created so far."""

    nanoseconds: int
    created: int


class Gateway:
    """Runs a worker of the modules in a folder, under `prefix` (valgrind)."""

    def __init__(self, modules: Path, prefix: Sequence[str] = ()) -> None:
        self._stack = ExitStack()
        names = sorted({conversation.helper for conversation in CONVERSATIONS.values()})
        self._queue, queue = self._pair(socket.SOCK_SEQPACKET)
        self._control, control = self._pair(socket.SOCK_SEQPACKET)
        self._pace, pace = self._pair(socket.SOCK_STREAM)
        ends = [end.fileno() for end in (queue, control, pace)]
        self._process = subprocess.Popen(
            [*prefix, sys.executable, str(_WORKER), *map(str, ends), *names],
            pass_fds=ends, env=_environment(modules), stdin=subprocess.DEVNULL,
        )  # fmt: skip
        for end in (queue, control, pace):
            end.close()
        for _ in range(2):  # the addresses, the configuration
            self._control.send(self._control.recv(BUFFER))
        self._control.setblocking(False)
        self._waiting: dict[int, tuple[Flow, QueuedPacket]] = {}
        self._last_id = self._flows = self.attached = 0
        self._idle()

    def _pair(self, kind: int) -> tuple[socket.socket, socket.socket]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        return self._stack.enter_context(ours), theirs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # it accepts what is queued before it ends
        self._pace.close()
        self._control.close()
        self._process.wait(60)
        self._stack.close()

    def mark(self, yardstick: bool = False) -> Mark:
        """Begin a part of callgrind's output; with `yardstick`, let the yardstick be a part of its own."""
        if yardstick:
            self._pace.send(b"my")
            self._pace.recv(MARK.size, socket.MSG_WAITALL)
        self._pace.send(b"m")
        return Mark(*MARK.unpack(self._pace.recv(MARK.size, socket.MSG_WAITALL)))

    def run(self, conversation: Conversation, count: int) -> int:
        """Have so many flows at the same time; return the number of queued packets."""
        flows = [Flow(conversation, self._flows + number) for number in range(count)]
        self._flows += count
        before = self._last_id
        while packets := [(flow, packet) for flow in flows if (packet := flow.next())]:
            while packets:
                for flow, packet in packets:
                    if flow.queued:
                        self._send(flow, packet)
                packets = self._answers()
            for flow in flows:
                flow.confirm()
        return self._last_id - before

    def _send(self, flow: Flow, packet: QueuedPacket) -> None:
        self._last_id += 1
        self._waiting[self._last_id] = flow, packet
        self._queue.send(packet.message(self._last_id))

    def _answers(self) -> list[tuple[Flow, QueuedPacket]]:
        """Let the worker go on until it waits again; return the packets to be queued once more."""
        if not self._waiting:
            return []
        self._pace.send(b"g")
        self._idle()
        again = []
        while self._waiting:
            data = self._queue.recv(BUFFER, socket.MSG_DONTWAIT)
            for message in nfnl.split(data):
                again += self._verdict(message)
        return again

    def _verdict(self, message: nfnl.Message) -> list[tuple[Flow, QueuedPacket]]:
        parts = parse(message.payload)
        header = bytes(parts[_VERDICT_HDR])
        verdict, number = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")
        if message.kind == _BATCH:
            self._waiting = {key: item for key, item in self._waiting.items() if key > number}
            return []
        flow, packet = self._waiting.pop(number)
        if _CT in parts:
            flow.change(parts[_CT])
        self.attached += _EXP in parts
        return [(flow, packet)] if verdict == _REPEAT else []

    def _idle(self) -> None:
        """Wait until the worker waits; read its reports."""
        if self._pace.recv(1) != b"i":
            raise RuntimeError("the worker ended")
        try:
            while self._control.recv(BUFFER):
                pass
        except BlockingIOError:
            return


def _environment(modules: Path) -> Mapping[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(modules),
        "PYTHONSAFEPATH": "1",
        "PYTHONHASHSEED": "0",
    }
