"""`fwhelpers replicate`: joins the manager's feed, the two connections to the other gateway, and the table.

manager ── Feed ──▶ Sender ══TLS══▶ the other gateway
`fwhelpers takeover` ◀── LocalTable ◀── Table ◀── Receiver ◀══TLS══ the other gateway
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from fwhelpers.config.model import ReplicationConfig
from fwhelpers.replication import local_socket
from fwhelpers.replication.connection import first_of
from fwhelpers.replication.credentials import Credentials
from fwhelpers.replication.feed import Feed
from fwhelpers.replication.local_table import LocalTable
from fwhelpers.replication.receiver import Receiver
from fwhelpers.replication.sender import Sender
from fwhelpers.replication.state import State
from fwhelpers.replication.table import Table


async def serve(
    config: ReplicationConfig, feed_path: Path, runtime: Path, ready: Callable[[], None]
) -> None:
    """Work until SIGTERM or SIGINT; `runtime` exists. `ready` is called when it listens.

    Raises CredentialError, and OSError if it can't listen.
    """
    credentials = Credentials(config)
    table = Table()
    state = State(table)
    receiver = Receiver(config, credentials, table, state)
    local = LocalTable(runtime / local_socket.TABLE, table, state)
    feed = Feed(feed_path, state)
    sender = Sender(config, credentials, feed, state)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    ready()
    try:
        await first_of(feed.run(), sender.run(), receiver.run(), local.run(), _until(stopped))
    finally:
        receiver.close()
        local.close()


async def _until(event: asyncio.Event) -> None:
    await event.wait()
