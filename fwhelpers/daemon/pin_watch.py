"""The pins come back at once when somebody removes them: `nft flush ruleset` takes every table that has no owner.

They have none, as they are to outlive us (see `register`). Without them a module that is unloaded takes the helpers
along, and the next ruleset that names one can't be loaded.
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

#: seconds after they were restored in which they are not looked at: who takes them all the time must not keep us busy
PAUSE = 1.0


class PinWatch:
    """Looks after a daemon's pins. `start` when it is up, `stop` before it goes down."""

    def __init__(self, daemon: Manager) -> None:
        self._daemon = daemon
        self._commits: EventSocket | None = None
        self._changed = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look after them from now on; if that can't be, it is told, and the daemon goes on."""
        try:
            self._commits = EventSocket(nft_events.GROUPS, commit_events())
            netlink = NetlinkSocket()
        except OSError as error:
            log.error(
                "no events of nftables: %s; should table %s be flushed, reload", error, PIN_TABLE
            )
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(self._commits.fileno(), self._read)
        self._changed.set()  # by somebody before we listened
        self._watching = loop.create_task(self._watch(netlink))

    async def stop(self) -> None:
        """Let them be."""
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
                if not self._whole(netlink):
                    await self._restore()
                    await asyncio.sleep(PAUSE)
        finally:
            netlink.close()

    def _whole(self, netlink: NetlinkSocket) -> bool:
        state = self._daemon.state
        pinned = [h for name, h in state.plugins.helpers.items() if name not in state.problems]
        try:
            found = netlink.request(
                nft_events.encode_get_table(PIN_TABLE), f"get table {PIN_TABLE}"
            )
            return nft_events.parse_size(found) >= sum(len(h.registered) for h in pinned)
        except NetlinkError as error:
            if error.errno != ENOENT:
                log.error("%s", error)
            return error.errno != ENOENT
        except DecodeError as error:
            log.error("table %s can't be read: %s", PIN_TABLE, error)
            return True

    async def _restore(self) -> None:
        try:
            await self._daemon.register_again()
        except (NetlinkError, NftError, DecodeError) as error:
            log.error("table %s was removed, and can't be restored: %s", PIN_TABLE, error)
        else:
            log.warning("table %s was removed by somebody, and is restored", PIN_TABLE)
