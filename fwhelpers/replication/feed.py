"""The connection to the manager of this gateway, which reports its live expectations."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from fwhelpers.replication import records
from fwhelpers.replication.connection import PING, RETRY, ConnectionEnded, Lines, close, reason_of
from fwhelpers.replication.records import Begin
from fwhelpers.replication.state import State

log = logging.getLogger("fwhelpers")


class Feed:
    """Connects again whenever the connection ends; reports the status each second."""

    def __init__(self, path: Path, state: State) -> None:
        self._path = path
        self._state = state
        self._lines: Lines | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()
        self._problem = ""

    async def run(self) -> None:
        while True:
            try:
                await self._connect()
            except (ConnectionEnded, OSError) as error:
                self._report(reason_of(error))
            await asyncio.sleep(RETRY)

    async def _connect(self) -> None:
        reader, writer = await asyncio.open_unix_connection(self._path)
        try:
            lines = Lines(reader)
            await lines.hello()
            self._report("")
            self._lines, self._writer = lines, writer
            self._connected.set()
            while not writer.is_closing():
                writer.write(records.encode(self._state.status()))
                await asyncio.sleep(PING)
            raise ConnectionEnded("the service has closed the connection")
        finally:
            self._connected.clear()
            self._lines = self._writer = None
            await close(writer)

    async def forward(self, writer: asyncio.StreamWriter) -> None:
        """Write all live expectations to another connection, then each change; again when this one was lost.

        Raises OSError if the other connection ends. This one is then opened anew, as its next lines would be changes.
        """
        while True:
            await self._connected.wait()
            assert self._lines is not None
            assert self._writer is not None
            lines, own = self._lines, self._writer
            own.write(records.encode(Begin()))
            try:
                while True:
                    writer.write(b"\n".join([*await lines.batch(), b""]))
                    await writer.drain()
            except ConnectionEnded:
                continue
            finally:
                self._connected.clear()
                own.transport.abort()

    def _report(self, problem: str) -> None:
        self._state.detached = bool(problem)
        if problem != self._problem:
            self._problem = problem
            if problem:
                log.warning("replication: %s: %s", self._path, problem)
