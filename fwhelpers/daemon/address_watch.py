"""Follows the machine's addresses with pyroute2, and reports each change of the table for the workers.

A thread waits for events with pyroute2's synchronous calls, the only ones that are the same in all versions from 0.7 to
0.9. An event only triggers a dump, so that neither lost events nor their order matter.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import sys
import threading
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from fwhelpers.engine.replicated import Machine
from fwhelpers.worker.onlink import Address, AddressTable, OnLinkPrefixes

log = logging.getLogger("fwhelpers")

MISSING = (
    "pyroute2 is missing (Debian, Fedora: python3-pyroute2): addresses are unknown, helpers refuse"
    " what depends on them"
)
SETTLE = 0.1  #: seconds from the first event to the dump
RETRY = 1.0  #: seconds after an error
MAX_TABLE = 128 << 10  #: bytes of a table in a message to a worker

_GROUPS = 0x001 | 0x010 | 0x100  # RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR

OnChange = Callable[[AddressTable], None]
OpenSocket = Callable[[], Any]  #: pyroute2.IPRoute


class AddressWatch:
    """Calls `on_change` in the event loop with each new table."""

    def __init__(self, on_change: OnChange) -> None:
        self._on_change = on_change
        self._table = AddressTable()
        self._changed = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._stopped = threading.Event()

    async def start(self) -> None:
        """Report the present addresses, then follow them. Without pyroute2 they stay unknown."""
        open_socket = _import_iproute()
        if open_socket is None:
            log.error("%s", MISSING)
            return
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._wait, args=(open_socket, loop), daemon=True).start()
        await self._read(open_socket)
        self._following = loop.create_task(self._follow(open_socket))

    async def stop(self) -> None:
        self._stopped.set()  # the thread ends with its next event, or with the process
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)

    async def _follow(self, open_socket: OpenSocket) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE)
            self._changed.clear()
            started = time.monotonic()
            if not await self._read(open_socket):
                self._changed.set()
                await asyncio.sleep(RETRY)
            # a script that adds thousands of addresses must not keep the manager busy
            await asyncio.sleep(5 * (time.monotonic() - started))

    async def _read(self, open_socket: OpenSocket) -> bool:
        """Report the addresses if they have changed; False after an error, which keeps the last table."""
        try:
            table = await asyncio.to_thread(read_table, open_socket)
        except Exception as error:  # each version of pyroute2 has errors of its own
            log.error("read addresses: %s", error)
            return False
        if table != self._table:
            self._table = table
            self._on_change(table)
        return True

    def _wait(self, open_socket: OpenSocket, loop: asyncio.AbstractEventLoop) -> None:
        """The thread: set `_changed` for each batch of events."""
        while not self._stopped.is_set():
            try:
                with open_socket() as events:
                    events.bind(groups=_GROUPS)
                    while not self._stopped.is_set():
                        # also before the first event: a change may have come before the subscription
                        loop.call_soon_threadsafe(self._changed.set)
                        for _ in events.get():
                            pass
            except Exception as error:  # events were lost (ENOBUFS), or the loop has been closed
                log.debug("wait for address events: %s", error)
                self._stopped.wait(RETRY)


def machine() -> Machine:
    """Return this machine's addresses of this moment; unknown ones if they can't be read."""
    links = OnLinkPrefixes()
    open_socket = _import_iproute()
    try:
        links.table = AddressTable() if open_socket is None else read_table(open_socket)
    except Exception as error:  # each version of pyroute2 has errors of its own
        log.error("read addresses: %s", error)
    return Machine(links, tuple(p for own in links.table.prefixes.values() for p in own))


def read_table(open_socket: OpenSocket) -> AddressTable:
    """Addresses that are too many for a message to the workers count as unknown."""
    with open_socket() as dump:
        table = AddressTable.of(filter(None, map(_address, dump.get_addr())))
    if len(pickle.dumps(table)) > MAX_TABLE:
        log.error("%d addresses are too many to follow them", len(table.own or ()))
        return AddressTable()
    return table


def _address(message: Any) -> Address | None:
    network = message.get_attr("IFA_ADDRESS") or message.get_attr("IFA_LOCAL")
    if network is None:
        return None
    local = message.get_attr("IFA_LOCAL") or network  # IPv6 has it only if the two differ
    return Address(message["index"], _packed(local), _packed(network), message["prefixlen"])


def _packed(text: str) -> bytes:
    return ip_address(text.partition("%")[0]).packed


def _import_iproute() -> OpenSocket | None:
    # pyroute2 imports psutil for its `ss`, and psutil prints a traceback if /proc/stat is hidden (ProcSubset=pid)
    hidden = "psutil" not in sys.modules
    if hidden:
        sys.modules["psutil"] = None  # type: ignore[assignment]
    try:
        from pyroute2 import IPRoute
    except ImportError:
        return None
    finally:
        if hidden:
            del sys.modules["psutil"]
    return IPRoute  # type: ignore[no-any-return]
