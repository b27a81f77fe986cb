"""Restores the pins after their removal.

The table of the pins has no owner, because it outlives the service (see `registration.register`), so `nft flush
ruleset` deletes it. Without pins an unloaded module removes the helpers, and the next ruleset that names one cannot be
loaded.
"""

from __future__ import annotations

import asyncio
import logging
from errno import ENOENT
from typing import TYPE_CHECKING

from fwhelpers.kernel import nft_events
from fwhelpers.kernel.bpf import commit_events
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import NftError
from fwhelpers.kernel.nla import DecodeError
from fwhelpers.kernel.socket import EventSocket, NetlinkSocket
from fwhelpers.ruleset import PIN_TABLE

if TYPE_CHECKING:
    from fwhelpers.daemon.manager import Manager

log = logging.getLogger("fwhelpers")

#: seconds between restoring the pins and the next look: repeated removal must not keep the service busy
PAUSE = 1.0


class PinWatch:
    """Started after the manager, and stopped before it."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._commits: EventSocket | None = None
        self._changed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start watching. An error is logged, and the service runs without the watch."""
        try:
            self._commits = EventSocket(nft_events.GROUPS, commit_events())
            netlink = NetlinkSocket()
        except OSError as error:
            log.error("no nftables events: %s; reload if table %s is flushed", error, PIN_TABLE)
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(self._commits.fileno(), self._read)
        self._changed.set()  # they may have been removed before
        self._watching = loop.create_task(self._watch(netlink))

    async def stop(self) -> None:
        """Stop watching the pin table."""
        if self._commits is not None:
            asyncio.get_running_loop().remove_reader(self._commits.fileno())
            self._commits.close()
            self._commits = None
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    def _read(self) -> None:
        assert self._commits is not None
        for _ in self._commits.read():
            self._changed.set()

    async def _watch(self, netlink: NetlinkSocket) -> None:
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if not self._complete(netlink):
                    await self._restore()
                    await asyncio.sleep(PAUSE)
        finally:
            netlink.close()

    def _complete(self, netlink: NetlinkSocket) -> bool:
        state = self._manager.state
        pinned = [h for name, h in state.plugins.helpers.items() if name not in state.problems]
        try:
            replies = netlink.request(
                nft_events.encode_get_table(PIN_TABLE), f"get table {PIN_TABLE}"
            )
            return nft_events.parse_size(replies) >= sum(len(h.registered) for h in pinned)
        except NetlinkError as error:
            if error.errno != ENOENT:
                log.error("%s", error)
            return error.errno != ENOENT
        except DecodeError as error:
            log.error("read table %s: %s", PIN_TABLE, error)
            return True

    async def _restore(self) -> None:
        try:
            await self._manager.register_again()
        except (NetlinkError, NftError, DecodeError) as error:
            log.error("restore removed table %s: %s", PIN_TABLE, error)
        else:
            log.warning("restored table %s, which was removed", PIN_TABLE)
