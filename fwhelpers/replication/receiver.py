"""The connection from the other gateway: we are the TLS server, and keep its expectations."""

from __future__ import annotations

import asyncio
import socket
import time
from ipaddress import ip_address

from fwhelpers.config.model import ReplicationConfig
from fwhelpers.replication import records
from fwhelpers.replication.connection import (
    HANDSHAKE,
    PING,
    RETRY,
    SILENCE,
    ConnectionEnded,
    Lines,
    close,
    decode,
    own_hello,
    reason_of,
)
from fwhelpers.replication.credentials import Credentials
from fwhelpers.replication.records import Begin, Complete, Ended, Live, Ping, Pong
from fwhelpers.replication.state import State
from fwhelpers.replication.table import Table

_BACKLOG = 16
_MAX_CONNECTIONS = 4  #: of which all but one are in their handshake
# the address may be there later than this process (in6.h, in.h; the module socket has no names)
_FREEBIND = {4: (socket.SOL_IP, 15), 6: (socket.IPPROTO_IPV6, 78)}


class Receiver:
    """Accepts the other gateway only. Once it is authenticated, a new connection replaces the former one."""

    def __init__(
        self, config: ReplicationConfig, credentials: Credentials, table: Table, state: State
    ) -> None:
        """Listens from here on. Raises OSError."""
        self._peer = ip_address(config.peer.host)
        self._credentials = credentials
        self._table = table
        self._state = state
        self._tasks: set[asyncio.Task[None]] = set()
        self._current: asyncio.Task[None] | None = None
        family = socket.AF_INET6 if config.listen.family == 6 else socket.AF_INET
        self._sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._sock.setblocking(False)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.setsockopt(*_FREEBIND[config.listen.family], 1)
        self._sock.bind(config.listen)
        self._sock.listen(_BACKLOG)

    def close(self) -> None:
        self._sock.close()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                try:
                    sock, address = await loop.sock_accept(self._sock)
                except OSError:  # no descriptor or memory left: the records must not go with this
                    await asyncio.sleep(RETRY)
                    continue
                is_peer = ip_address(address[0].partition("%")[0]) == self._peer
                if not is_peer or len(self._tasks) >= _MAX_CONNECTIONS:
                    sock.close()
                    continue
                task = loop.create_task(self._serve(sock))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, sock: socket.socket) -> None:
        try:
            reader, writer = await self._accept(sock)
        except OSError as error:  # one of ssl as well
            sock.close()
            self._report(error)
            return
        try:
            self._credentials.check(writer.get_extra_info("ssl_object"))
            writer.write(own_hello())
            lines = Lines(reader)
            hello = await lines.hello()
            if self._current is not None:
                self._current.cancel()
            self._current = asyncio.current_task()
            self._state.connected("receiving", hello)
            await self._receive(lines, writer)
        except (ConnectionEnded, OSError) as error:
            if self._current is asyncio.current_task():
                self._current = None
            self._report(error)
        finally:
            await close(writer)

    def _report(self, error: Exception) -> None:
        if self._current is None:  # otherwise another connection is up
            self._state.disconnected("receiving", reason_of(error))

    async def _accept(
        self, sock: socket.socket
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol, sock, ssl=self._credentials.server, ssl_handshake_timeout=HANDSHAKE
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _receive(self, lines: Lines, writer: asyncio.StreamWriter) -> None:
        answered = time.monotonic()
        while True:
            batch = await lines.batch(SILENCE)
            now = time.monotonic()
            for line in batch:
                match decode(line):
                    case Begin():
                        self._table.begin()
                    case Complete():
                        self._table.complete()
                    case Live() as record:
                        self._table.add(record, now)
                    case Ended(number):
                        self._table.end(number)
                    case Ping(number):
                        writer.write(records.encode(Pong(number, len(self._table))))
                        answered = now
            if now - answered >= PING:
                # on a slow link the next ping waits behind more data than arrive in SILENCE
                writer.write(records.encode(Pong(0, len(self._table))))
                answered = now
            try:
                async with asyncio.timeout(SILENCE):
                    await writer.drain()
            except TimeoutError:
                raise ConnectionEnded("it does not read the answers") from None
