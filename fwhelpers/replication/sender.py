"""The connection to the other gateway: we are the TLS client, and send the expectations of this gateway."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from itertools import count

from fwhelpers.config.model import ReplicationConfig
from fwhelpers.replication import records
from fwhelpers.replication.connection import (
    HANDSHAKE,
    PING,
    SILENCE,
    ConnectionEnded,
    Lines,
    close,
    decode,
    delays,
    first_of,
    own_hello,
    reason_of,
)
from fwhelpers.replication.credentials import Credentials
from fwhelpers.replication.feed import Feed
from fwhelpers.replication.records import Ping, Pong
from fwhelpers.replication.state import State

_MAX_PINGS = 16  #: whose answers may still come


class Sender:
    """Connects again whenever the connection ends, and sends everything anew."""

    def __init__(
        self, config: ReplicationConfig, credentials: Credentials, feed: Feed, state: State
    ) -> None:
        self._config = config
        self._credentials = credentials
        self._feed = feed
        self._state = state
        self._delays = delays()

    async def run(self) -> None:
        while True:
            try:
                await self._connect()
            except TimeoutError:
                self._state.disconnected("sending", f"no connection within {HANDSHAKE:.0f} s")
            except (ConnectionEnded, OSError) as error:
                self._state.disconnected("sending", reason_of(error))
            await asyncio.sleep(next(self._delays))

    async def _connect(self) -> None:
        own, peer = self._config.listen, self._config.peer
        async with asyncio.timeout(HANDSHAKE):
            reader, writer = await asyncio.open_connection(
                peer.host, peer.port, ssl=self._credentials.client, local_addr=(own.host, 0)
            )
        try:
            self._credentials.check(writer.get_extra_info("ssl_object"))
            writer.write(own_hello())
            lines = Lines(reader)
            self._state.connected("sending", await lines.hello())
            self._delays = delays()
            sent: OrderedDict[int, float] = OrderedDict()
            await first_of(
                self._feed.forward(writer), self._ping(writer, sent), self._listen(lines, sent)
            )
        finally:
            await close(writer)

    async def _ping(self, writer: asyncio.StreamWriter, sent: OrderedDict[int, float]) -> None:
        for number in count(1):
            sent[number] = time.monotonic()
            if len(sent) > _MAX_PINGS:
                sent.popitem(last=False)
            writer.write(records.encode(Ping(number)))
            await asyncio.sleep(PING)

    async def _listen(self, lines: Lines, sent: OrderedDict[int, float]) -> None:
        while True:
            for line in await lines.batch(SILENCE):
                message = decode(line)
                if isinstance(message, Pong):
                    self._state.confirmed = message.records
                    if message.number in sent:
                        self._state.lag = time.monotonic() - sent.pop(message.number)
