"""A connection that carries lines, and what both ends of one between the gateways do."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import Any

from fwhelpers import __version__
from fwhelpers.replication import records
from fwhelpers.replication.records import FORMAT, MAX_LINE, Hello, Message

PING = 1.0  #: seconds
SILENCE = 5.0  #: seconds without a line after which a connection is given up
HANDSHAKE = 5.0  #: seconds for TLS and the first line
RETRY, MAX_RETRY = 1.0, 10.0  #: seconds to the next attempt: the first one, and the longest
_CHUNK = 64 << 10


class ConnectionEnded(Exception):
    """The other end has closed the connection, is silent, or sends what can't be understood."""


class Lines:
    """Reads lines from a stream."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._rest = b""
        self._lines: list[bytes] = []

    async def batch(self, silence: float | None = None) -> list[bytes]:
        """Return the lines that have come, without their line breaks.

        Raises ConnectionEnded, also after `silence` seconds.
        """
        while not self._lines:
            try:
                async with asyncio.timeout(silence):
                    data = await self._reader.read(_CHUNK)
            except TimeoutError:
                raise ConnectionEnded(f"silent for {silence:.0f} s") from None
            except OSError as error:
                raise ConnectionEnded(reason_of(error)) from None
            if not data:
                raise ConnectionEnded("closed by the other end")
            *self._lines, self._rest = (self._rest + data).split(b"\n")
            if len(self._rest) >= MAX_LINE:
                raise ConnectionEnded("a line is too long")
        lines, self._lines = self._lines, []
        return lines

    async def hello(self) -> Hello:
        """Return the first line. Raises ConnectionEnded, also if its format is newer than ours."""
        lines = await self.batch(HANDSHAKE)
        hello, self._lines = decode(lines[0]), lines[1:]
        if not isinstance(hello, Hello):
            raise ConnectionEnded("its first line is no hello")
        if hello.format > FORMAT:
            problem = f"version {hello.version} has format {hello.format}, this one {FORMAT}"
            raise ConnectionEnded(f"{problem}: upgrade this gateway")
        return hello


def decode(line: bytes) -> Message | None:
    """Return a line's message, None if its kind is not known. Raises ConnectionEnded."""
    try:
        return records.decode(line)
    except ValueError as error:
        raise ConnectionEnded(f"unreadable line: {error}") from None


def own_hello() -> bytes:
    """Return the line that each end sends first."""
    return records.encode(Hello(__version__))


def reason_of(error: Exception) -> str:
    """Return why a connection has ended, on one line. Some errors of asyncio have no text."""
    text = getattr(error, "strerror", None) or str(error)
    return text or "the other end has ended the handshake, or reset the connection"


async def first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until one of them ends, cancel the others, and raise its exception if it has one."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def close(writer: asyncio.StreamWriter) -> None:
    """Close without waiting for an end that does not read."""
    writer.transport.abort()
    with suppress(OSError):  # why it ended is known
        await writer.wait_closed()


def delays() -> Iterator[float]:
    """Yield the seconds to wait before each further attempt."""
    delay = RETRY
    while True:
        yield delay
        delay = min(2 * delay, MAX_RETRY)
