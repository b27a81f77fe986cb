"""Reports live expectations to `fwhelpers replicate`, which sends them to the other gateway.

It listens while [replication] is configured. A client gets `hello`; when it sends `begin`, all live expectations and
then each change (`replication.records`). Without a client that has asked, nothing is done.

The manager never waits for the client: one that leaves more than MAX_WAITING bytes unread is disconnected, connects
again and gets all of it anew.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from fwhelpers import __version__
from fwhelpers.events.stream import EventStream
from fwhelpers.events.tracker import TrackedExpectation
from fwhelpers.kernel.raw_events import ExpectationBytes
from fwhelpers.replication import local_socket, records
from fwhelpers.replication.records import Begin, Complete, Ended, Hello, Live, Status

log = logging.getLogger("fwhelpers")

MAX_WAITING = 4 << 20  #: bytes that a client may leave unread
CHUNK = 256  #: live expectations that are encoded before other tasks of the loop run
HIGH_WATER = 256 << 10  #: waiting bytes above which the list of live expectations pauses
STALE = 5.0  #: seconds for which a client's status is valid


class ReplicationFeed:
    """Configured and closed in the event loop. At most one client; a new one takes the place of the former."""

    def __init__(self, events: EventStream, runtime: Path) -> None:
        self._events = events
        self._path = runtime / local_socket.FEED
        self._listening: socket.socket | None = None
        self._client: _Client | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    def configure(self, enabled: bool) -> None:
        """Listen, or stop listening."""
        if enabled and self._listening is None:
            try:
                self._listening = local_socket.listen(self._path)
            except OSError as error:
                log.error("replication: %s: %s", self._path, error.strerror)
                return
            asyncio.get_running_loop().add_reader(self._listening.fileno(), self._accept)
        elif not enabled:
            self.close()

    def close(self) -> None:
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening.fileno())
            self._listening.close()
            self._listening = None
            self._path.unlink(missing_ok=True)
        self._replace(None)

    def status(self) -> Status | None:
        """Return the state that the client has reported; None if replication is not configured."""
        if self._listening is None:
            return None
        return self._client.status() if self._client is not None else Status()

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            sock, _ = self._listening.accept()
        except OSError:  # it has gone
            return
        if not local_socket.is_trusted(sock):
            sock.close()
            return
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        connecting = loop.connect_accepted_socket(self._connected, sock)
        task: asyncio.Task[object] = loop.create_task(connecting)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _connected(self) -> _Client:
        client = _Client(self._events)
        self._replace(client)
        return client

    def _replace(self, client: _Client | None) -> None:
        if self._client is not None:
            self._client.disconnect()
        self._client = client


class _Client(asyncio.Protocol):
    """A connection of `fwhelpers replicate`."""

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._numbers: dict[ExpectationBytes, int] = {}  # of those that it has, by identity
        self._count = 0
        self._listing: Iterator[TrackedExpectation] | None = None  # live ones that it does not have
        self._paused = False
        self._lines: list[bytes] = []  # to be written together
        self._unread = b""
        self._status, self._reported = Status(), float("-inf")

    def status(self) -> Status:
        """Return what it has reported last."""
        return self._status if time.monotonic() - self._reported < STALE else Status()

    def disconnect(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._stop()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER)
        self._send(records.encode(Hello(__version__)))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._stop()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._list_more()

    def data_received(self, data: bytes) -> None:
        *lines, self._unread = (self._unread + data).split(b"\n")
        try:
            if len(self._unread) > records.MAX_LINE:
                raise ValueError("a line is too long")
            for line in lines:
                self._handle(line)
        except ValueError as error:
            log.warning("replication: unreadable line of its process: %s", error)
            self.disconnect()

    # the feed

    def _handle(self, line: bytes) -> None:
        match records.decode(line):
            case Begin():
                self._begin()
            case Status() as status:
                self._status, self._reported = status, time.monotonic()

    def _begin(self) -> None:
        self._numbers.clear()
        self._send(records.encode(Begin()))
        self._events.on_change = self._on_change
        self._listing = iter(self._events.expectations())
        self._list_more()

    def _list_more(self) -> None:
        """Send a part of the live expectations; the rest when the client has read it."""
        if self._listing is None or self._paused or self._transport is None:
            return
        for _ in range(CHUNK):
            tracked = next(self._listing, None)
            if tracked is None:
                self._listing = None
                self._send(records.encode(Complete()))
                return
            if tracked.raw.identity not in self._numbers:  # a change has come before
                self._send_live(tracked.raw.identity)
        self._loop.call_soon(self._list_more)

    def _on_change(self, identity: ExpectationBytes) -> None:
        if not self._send_live(identity) and identity in self._numbers:
            self._send(records.encode(Ended(self._numbers.pop(identity))))

    def _send_live(self, identity: ExpectationBytes) -> bool:
        """Send an expectation unless it is not live or not ours; return whether it was sent."""
        tracked = self._events.tracker.live(identity.key)
        if tracked is None or tracked.raw.identity != identity or not self._is_ours(tracked):
            return False
        report = self._events.report_of(identity)
        # what no worker has reported to this manager lives as long as the kernel says
        until, account = (
            (tracked.until - 1.0, None) if report is None else (report.until, report.account)
        )
        remaining = min(until - time.monotonic(), records.MAX_REMAINING)
        if remaining <= 0 or len(tracked.raw.payload) > records.MAX_PAYLOAD:
            return False
        number = self._numbers.get(identity)
        if number is None:
            number = self._numbers[identity] = self._count = self._count + 1
        live = Live(number, identity, tracked.raw.payload, remaining, account, tracked.trigger)
        self._send(records.encode(live))
        return True

    def _is_ours(self, tracked: TrackedExpectation) -> bool:
        helper = self._events.installed.helpers.get(tracked.raw.helper)
        return helper is not None and helper.parser is not None

    # output

    def _send(self, line: bytes) -> None:
        if not self._lines:
            self._loop.call_soon(self._flush)
        self._lines.append(line)

    def _flush(self) -> None:
        """Write the lines of the events that were handled together."""
        lines, self._lines = self._lines, []
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(b"".join(lines))
        if self._transport.get_write_buffer_size() > MAX_WAITING:
            log.warning("replication: its process does not read, and is disconnected")
            self.disconnect()

    def _stop(self) -> None:
        self._listing = None
        if self._events.on_change == self._on_change:
            self._events.on_change = None
