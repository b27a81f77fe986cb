"""Status and records for the other processes of this gateway: `fwhelpers takeover` and `cluster status`."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from typing import NamedTuple

from fwhelpers.replication import local_socket, records
from fwhelpers.replication.connection import ConnectionEnded, Lines, close, decode
from fwhelpers.replication.records import MAX_LINE, Complete, Live, Message, Status, Take
from fwhelpers.replication.state import State
from fwhelpers.replication.table import MAX_RECORDS, Table

_TIMEOUT = 5.0  #: seconds for a client to ask and to read
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
                (line, *_) = await Lines(reader).batch()
                take = decode(line)
                if isinstance(take, Take):
                    writer.writelines(self._lines(take.mark))
                    await writer.drain()
                    writer.write_eof()
                    await reader.read()  # until the client has closed
        except (ConnectionEnded, OSError, TimeoutError):
            pass
        finally:
            await close(writer)

    def _lines(self, mark: bool) -> list[bytes]:
        rows = self._table.records(time.monotonic(), mark)
        messages: list[Message] = [self._state.status(), *rows, Complete()]
        return [records.encode(message) for message in messages]


def ask(path: Path, mark: bool, timeout: float) -> Answer:
    """Ask the process for all that it has, `timeout` seconds at most. With `mark` its records count as taken.

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
    messages = [records.decode(bytes(line)) for line in data.splitlines()]
    if not messages or not isinstance(messages[0], Status) or messages[-1] != Complete():
        raise ValueError("the answer is not complete")
    return Answer(messages[0], [message for message in messages if isinstance(message, Live)])
