"""The manager's end of a worker's control channel: commands out, checked messages in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable

from fwhelpers.worker.config import MAX_CONTROL
from fwhelpers.worker.messages import FlowReport, Message, Problem, SandboxGaps, decode, split

log = logging.getLogger("fwhelpers")

#: messages for the log that a worker may send; it limits itself to far fewer (`worker.reporter`)
MESSAGES_A_SECOND = 1000

#: seconds for which datagrams are collected, so as not to wake for each of a busy worker
COLLECT = 0.02
MAX_BURST = 32  #: datagrams read before other tasks of the loop run


class WorkerChannel:
    """Calls `on_message` with each message of the worker. A malformed one is reported once and ignored."""

    def __init__(
        self, sock: socket.socket, queue: int, on_message: Callable[[Message], None]
    ) -> None:
        self._sock = sock
        self._queue = queue
        self._on_message = on_message
        self._complaints: set[str] = set()
        self._second = self._count = 0
        self._ended = False  #: the worker has closed its end
        self._collecting: asyncio.Handle | None = None
        asyncio.get_running_loop().add_reader(sock.fileno(), self._collect)

    @classmethod
    def create(
        cls, queue: int, on_message: Callable[[Message], None]
    ) -> tuple[WorkerChannel, socket.socket]:
        """Returns the channel, and the worker's end of it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAX_CONTROL)
        ours.setblocking(False)
        return cls(ours, queue, on_message), theirs

    def send(self, message: bytes) -> bool:
        """False if the worker has just died, or does not read."""
        try:
            self._sock.send(message)
        except OSError as error:
            log.warning("worker %d: send: %s", self._queue, error)
            return False
        return True

    def shut_down(self) -> None:
        """End the worker: it reads no more, but may still send."""
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Handle the messages that are still there, and close."""
        if self._collecting is not None:
            self._collecting.cancel()
        while self._read():
            pass
        asyncio.get_running_loop().remove_reader(self._sock.fileno())
        self._sock.close()

    def _collect(self) -> None:
        """Read the datagrams later, with those that will have followed."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._sock.fileno())
        self._collecting = loop.call_later(COLLECT, self._read_all)

    def _read_all(self) -> None:
        self._collecting = None
        for _ in range(MAX_BURST):
            if not self._read():
                break
        if not self._ended:
            asyncio.get_running_loop().add_reader(self._sock.fileno(), self._collect)

    def _read(self) -> bool:
        """Handle the messages of one datagram; False if there is none."""
        try:
            data = self._sock.recv(MAX_CONTROL)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._ended = True
            return False
        try:
            for line in split(data):
                self._handle(decode(line))
        except ValueError as error:
            self._complain("ignoring malformed message", str(error))
        return True

    def _handle(self, message: Message) -> None:
        if self._admit(message):
            self._deliver(message)
        else:
            self._complain("ignoring messages", f"more than {MESSAGES_A_SECOND} a second")

    def _deliver(self, message: Message) -> None:
        try:
            self._on_message(message)
        except Exception:  # a bug in its handling must not end the supervision of a worker
            log.exception("worker %d: handle message", self._queue)

    def _admit(self, message: Message) -> bool:
        if not isinstance(message, FlowReport | Problem | SandboxGaps):
            return True
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        return self._count <= MESSAGES_A_SECOND

    def _complain(self, text: str, reason: str) -> None:
        if text not in self._complaints:
            self._complaints.add(text)
            log.error("worker %d: %s: %s", self._queue, text, reason)
