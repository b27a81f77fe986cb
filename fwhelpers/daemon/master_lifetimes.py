"""Keeps the entries of control connections while connections that they announced go on (`keep_masters`).

conntrackd commits a connection on the other gateway only if its master is there: the kernel looks the master up
(ctnetlink_create_conntrack(), ENOENT). Without this, the entry of a portmapper's query ends after minutes, and a mount
that lasts for days would be lost with the gateway.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Iterable
from contextlib import closing
from errno import EPERM

from fwhelpers.engine.expectation_key import Connection
from fwhelpers.kernel import conntrack
from fwhelpers.kernel.conntrack import IPS_EXPECTED
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nla import DecodeError
from fwhelpers.kernel.socket import NetlinkSocket

log = logging.getLogger("fwhelpers")

INTERVAL = 4.0  #: seconds. A reset leaves 10 s (nf_conntrack_proto_tcp.c: tcp_timeouts)
LEAST = 60  #: seconds that a master has left, at least
LIFETIME = 600  #: seconds that it gets
#: seconds until another look at a master that nothing but its own packets can shorten: UDP's lifetimes are 30 and 120 s
UNHURRIED = 20.0
_TIME_WAIT = 7  #: enum tcp_conntrack; this state and CLOSE after it have no further packets


class MasterLifetimes:
    """Looks at the masters of live connections every INTERVAL while it is configured."""

    def __init__(self) -> None:
        self._helpers: Collection[str] = ()
        self._task: asyncio.Task[None] | None = None
        self._due: dict[Connection, float] = {}  #: when to look at a master again

    def configure(self, helpers: Collection[str]) -> None:
        """Keep the masters that have one of these helpers, by their names in the kernel; none: stop."""
        self._helpers = frozenset(helpers)
        if self._helpers and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        elif not self._helpers:
            self.stop()

    def stop(self) -> None:
        """Stop. Entries that were kept end after LIFETIME."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._due.clear()

    async def _run(self) -> None:
        reported = ""
        while True:
            try:
                await asyncio.to_thread(self._round)
                reported = ""
            except (OSError, DecodeError) as error:  # the next round may succeed
                if str(error) != reported:
                    reported = str(error)
                    log.error("keep_masters: %s", error)
            await asyncio.sleep(INTERVAL)

    def _round(self) -> None:
        with closing(NetlinkSocket()) as netlink:
            self.look(netlink, time.monotonic())

    def look(self, netlink: NetlinkSocket, now: float) -> None:
        """Give masters that would soon end a longer life. Raises NetlinkError."""
        masters = set(_masters(netlink))
        self._due = {master: due for master, due in self._due.items() if master in masters}
        for master in masters:
            if self._due.get(master, 0.0) <= now:
                self._due[master] = now + self._keep(netlink, master)

    def _keep(self, netlink: NetlinkSocket, master: Connection) -> float:
        """Return after how many seconds to look again."""
        try:
            (payload, *_) = netlink.request(conntrack.encode_get(master.orig, master.zone))
            entry, state = conntrack.parse_conntrack(payload), conntrack.parse_tcp_state(payload)
        except (NetlinkError, ValueError):  # it has ended
            return LIFETIME
        if entry.helper not in self._helpers:
            return LIFETIME
        wait = _wait(state)
        if entry.timeout >= LEAST:
            return min(wait, entry.timeout - LEAST) or INTERVAL
        (error,) = netlink.request_all(
            [conntrack.encode_lifetime(master.orig, master.zone, LIFETIME)]
        )
        # EPERM: its lifetime is fixed, as it outlives its connection (decision 0012)
        return LIFETIME if error == EPERM else wait


def _wait(state: int) -> float:
    if state >= _TIME_WAIT:
        return LIFETIME - 2 * LEAST
    return UNHURRIED if state == 0 else INTERVAL


def _masters(netlink: NetlinkSocket) -> Iterable[Connection]:
    for payload in netlink.dump(conntrack.encode_dump_expected(), "list expected connections"):
        try:
            entry = conntrack.parse_event(payload)
        except DecodeError as error:
            log.debug("unreadable entry: %s", error)
            continue
        if entry.master is not None and entry.status & IPS_EXPECTED:
            yield Connection(entry.zone, entry.master)
