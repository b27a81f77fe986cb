"""What firewalld and NetworkManager say, and the configuration that comes of it.

Neither need be there: without them the files are all there is. What one of them said stays in force while it is gone: a
crashed firewalld leaves its rules in the kernel, and a restarted one says anew what counts.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum

from fwhelpers.api import Helper
from fwhelpers.config import Config, ConfigError, HelperConfig
from fwhelpers.dbus.address import unavailable
from fwhelpers.dbus.client import Client
from fwhelpers.dbus.connection import Message
from fwhelpers.dbus.errors import BusError, MissingLibrary
from fwhelpers.firewalld import client as firewalld
from fwhelpers.firewalld.assignments import Unsupported, derive_assignments
from fwhelpers.firewalld.merge import merge_zone_helpers
from fwhelpers.firewalld.model import Snapshot
from fwhelpers.networkmanager import client as networkmanager
from fwhelpers.networkmanager import references
from fwhelpers.networkmanager.references import Device

log = logging.getLogger("fwhelpers")

#: seconds without a further signal before we ask; seconds after which we ask anyhow
QUIET, LONGEST = 0.05, 0.4
FIRST = 8.0  #: seconds that a start waits for answers
RETRY, LONGEST_RETRY = 1.0, 30.0  #: seconds between attempts to reach the bus


class ProviderEvent(Enum):
    """Reasons to apply the configuration again that neither provider signals."""

    CONFIGURATION = "configuration changed"
    CONNECTED = "connected to the bus"


Change = firewalld.Change | networkmanager.Change | ProviderEvent
Changed = Callable[[set[Change]], Awaitable[None]]


class Providers:
    """`start` asks once, `run` follows; `changed` is awaited after each change, with what it was."""

    def __init__(self, changed: Changed) -> None:
        self._changed = changed
        self._client: Client | None = None
        self._snapshot: Snapshot | None = None
        self._devices: tuple[Device, ...] = ()
        self._lasting: Mapping[str, HelperConfig] = {}
        self._news: set[Change] = set()
        self._event = asyncio.Event()
        self._wanted = asyncio.Event()
        self._follower = firewalld.SignalWatcher(self._note)
        self._manager = networkmanager.SignalWatcher(self._note)
        self._gaps: tuple[Unsupported, ...] = ()
        self._follow = False
        self._named: set[str] = set()
        self._told = ""

    # what is known, applied

    def adapt(self, config: Config, helpers: Mapping[str, Helper]) -> Config:
        """The effective configuration: references resolved, zones' helpers added."""
        self._want(config.firewalld.follow, references.references(config))
        config = references.resolve(config, self._devices)
        if not config.firewalld.follow or self._snapshot is None:
            return config
        found = derive_assignments(self._snapshot, helpers)
        self._tell_gaps(found.unsupported)
        try:
            config = merge_zone_helpers(config, helpers, found.scope, self._lasting)
        except ConfigError as error:
            log.error("firewalld: %s; its zones are left out", error)
        else:
            self._lasting = config.lasting
        return config

    def _want(self, follow: bool, named: set[str]) -> None:
        """What the configuration needs; what it did not need before has not been asked yet."""
        newly = (follow and not self._follow) or bool(named and not self._named)
        self._follow, self._named = follow, named
        if newly:
            self._wanted.set()
            self._note(ProviderEvent.CONFIGURATION)

    def _tell_gaps(self, gaps: tuple[Unsupported, ...]) -> None:
        for gap in gaps:
            if gap not in self._gaps:
                log.warning(
                    "firewalld: %s: %s is not supported (%s)", gap.zone, gap.setting, gap.hint
                )
        self._gaps = gaps

    # following

    async def start(self) -> None:
        """Learn what is there already, so that a restart begins with what was in force. Never fails."""
        if not (self._follow or self._named) or unavailable():
            return
        try:
            await asyncio.wait_for(self._connect(), FIRST)
        except BusError as error:
            self._tell(str(error))
        except TimeoutError:
            log.warning(
                "firewalld or NetworkManager: no answer yet; they are followed once they answer"
            )

    async def run(self) -> None:
        """Follow until cancelled; a bus that is not there, or goes away, is tried again."""
        try:
            await self._run()
        finally:
            self._drop()

    async def _run(self) -> None:
        pause = RETRY
        while True:
            await self._wanted.wait()
            why = unavailable()
            if isinstance(why, MissingLibrary):
                self._tell(f"{why}, so neither firewalld nor NetworkManager is followed")
            try:
                if self._client is None and not why:
                    await self._connect()
                    await self._report({ProviderEvent.CONNECTED})
                if self._client is not None:
                    pause = RETRY
                    await self._follow_on(self._client)
            except BusError as error:
                self._tell(str(error))
            self._drop()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY)

    async def _connect(self) -> None:
        self._client = Client(self._hear)
        try:
            await self._client.connect()
            await self._follower.subscribe(self._client)
            await self._manager.subscribe(self._client)
            await self._ask(self._client)
            if self._named and not self._manager.running:  # as at each boot: we are there first
                names = ", ".join(sorted(self._named))
                log.info("NetworkManager does not run yet, so no interface is %s", names)
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None

    def _hear(self, signal: Message) -> None:
        self._follower.on_signal(signal)
        self._manager.on_signal(signal)

    def _note(self, what: Change) -> None:
        self._news.add(what)
        self._event.set()

    async def _follow_on(self, client: Client) -> None:
        loop = asyncio.get_running_loop()
        end = loop.create_task(client.wait_closed())
        try:
            while not end.done():
                news = loop.create_task(firewalld.debounce(self._event, QUIET, LONGEST))
                await asyncio.wait({end, news}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                await self._take(client)
        finally:
            end.cancel()

    async def _take(self, client: Client) -> None:
        news, self._news = self._news, set()
        if news:
            await self._ask(client)
            await self._report(news)

    async def _ask(self, client: Client) -> None:
        """A question that fails (firewalld just goes, or loads) leaves what is known; a signal will come."""
        if self._follower.running and self._follow:
            try:
                self._snapshot = await firewalld.read_snapshot(client)
                if self._snapshot.denied:
                    self._tell(
                        f"firewalld: not all may be read: {self._snapshot.denied} (polkit's"
                        " rules.d lacks fwhelpers-firewalld.rules)"
                    )
            except BusError as error:
                self._tell(f"firewalld: {error}; what it said before stays in force")
        if self._named and self._manager.running:
            try:
                found = await networkmanager.read_devices(client)
                # a start takes as long as the slowest connection, and what is up must not wait for that
                before = self._devices if found.starting else ()
                self._devices = references.merge_starting(before, found.devices)
            except BusError as error:
                self._tell(f"NetworkManager: {error}; what it said before stays in force")

    async def _report(self, news: set[Change]) -> None:
        if firewalld.Change.STOPPED in news and not self._follower.running:
            log.warning("firewalld is gone; its zones as last seen stay in force until it returns")
        if networkmanager.Change.STOPPED in news and self._named and not self._manager.running:
            log.warning("NetworkManager is gone; what it had up stays in force until it returns")
        await self._changed(news)

    def _tell(self, text: str) -> None:
        """Once, not at each attempt."""
        if text != self._told:
            log.warning("%s", text)
        self._told = text
