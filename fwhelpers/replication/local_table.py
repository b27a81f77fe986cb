"""Status and records for the other processes of this gateway: `fwhelpers takeover` and `cluster status`."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from fwhelpers.replication import local_socket, records
from fwhelpers.replication.connection import ConnectionEnded, Lines, close, decode
from fwhelpers.replication.records import MAX_LINE, Complete, Live, Message, Status, Take
from fwhelpers.replication.state import State
from fwhelpers.replication.table import MAX_RECORDS, Table

_TIMEOUT = 5.0  #: seconds for a client to ask and to read
_PART = 256  #: records that are encoded before other tasks of the loop run
MAX_ANSWER = MAX_LINE * (MAX_RECORDS + 2)  #: bytes


class Answer(NamedTuple):
    """What the process has said."""

    status: Status
    records: list[Live]


class LocalTable:
    """Answers each connection once: the status, all records, `complete`."""

    def __init__(self, path: Path, table: Table, state: State) -> None:
        """Listens from here on. Raises OSError."""
        self._table = table
        self._state = state
        self._taking = asyncio.Lock()
        self._sock = local_socket.listen(path)

    def close(self) -> None:
        self._sock.close()

    async def run(self) -> None:
        server = await asyncio.start_unix_server(self._answer, sock=self._sock)
        async with server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if not local_socket.is_trusted(writer.get_extra_info("socket")):
                return
            async with asyncio.timeout(_TIMEOUT):
                lines = Lines(reader)
                (line, *_) = await lines.batch()
                take = decode(line)
                if isinstance(take, Take) and take.mark:
                    async with self._taking:  # two take-overs at once do not create the same
                        await self._give(take, lines, writer)
                elif isinstance(take, Take):
                    await self._give(take, lines, writer)
        except (ConnectionEnded, OSError, TimeoutError):
            pass
        finally:
            await close(writer)

    async def _give(self, take: Take, lines: Lines, writer: asyncio.StreamWriter) -> None:
        rows = self._table.records(time.monotonic())
        messages: Iterator[Message] = chain([self._state.status()], rows, [Complete()])
        while part := list(islice(messages, _PART)):
            writer.write(b"".join(map(records.encode, part)))
            await writer.drain()
            await asyncio.sleep(0)  # the other gateway waits for answers meanwhile
        writer.write_eof()
        # what did not arrive is there for the next attempt
        (line, *_) = await lines.batch()
        if take.mark and isinstance(decode(line), Complete):
            self._table.mark(rows)


def ask(path: Path, mark: bool, timeout: float) -> Answer:
    """Ask the process for all that it has, `timeout` seconds at most. With `mark` its records count as taken then.

    Raises OSError, or ValueError if the answer can't be understood.
    """
    until = time.monotonic() + timeout
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as sock:
        sock.settimeout(timeout)
        sock.connect(str(path))
        sock.sendall(records.encode(Take(mark)))
        data = bytearray()
        while part := sock.recv(1 << 20):
            data += part
            if len(data) > MAX_ANSWER or time.monotonic() > until:
                raise TimeoutError("the answer takes too long")
        answer = _decode(data)
        with suppress(OSError):  # a former version has closed the connection
            sock.sendall(records.encode(Complete()))
    return answer


def _decode(data: bytearray) -> Answer:
    messages = [records.decode(bytes(line)) for line in data.splitlines()]
    if not messages or not isinstance(messages[0], Status) or messages[-1] != Complete():
        raise ValueError("the answer is not complete")
    return Answer(messages[0], [message for message in messages if isinstance(message, Live)])
