"""firewalld and NetworkManager as sources of configuration.

Both are optional. While one of them is gone its last state stays in force: a crashed firewalld leaves its rules in the
kernel, and a restarted one is read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
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

QUIET, LONGEST = (
    0.05,
    0.4,
)  #: seconds without a further signal before a read; seconds after which it is done anyway
START_TIMEOUT = 8.0  #: seconds that the start waits for replies
RETRY, LONGEST_RETRY = 1.0, 30.0  #: seconds between attempts to reach the bus


class ProviderEvent(Enum):
    """Reasons to apply the configuration again that neither provider signals."""

    CONFIGURATION = "configuration changed"
    CONNECTED = "connected to the bus"


Change = firewalld.Change | networkmanager.Change | ProviderEvent


class Providers:
    """`require` sets the providers that are needed, `start` reads them once, `changes` follows them.

    `apply` derives the configuration from their last state.
    """

    def __init__(self) -> None:
        self._client: Client | None = None
        self._snapshot: Snapshot | None = None
        self._devices: tuple[Device, ...] = ()
        self._pending: set[Change] = set()
        self._signalled = asyncio.Event()
        self._required = asyncio.Event()
        self._firewalld = firewalld.SignalWatcher(self._add)
        self._networkmanager = networkmanager.SignalWatcher(self._add)
        self._unsupported: tuple[Unsupported, ...] = ()
        self._follow_firewalld = False
        self._references: set[str] = set()
        self._warning = ""

    # configuration

    def require(self, config: Config) -> None:
        """Follow the providers that a configuration needs."""
        follow, names = config.firewalld.follow, references.references(config)
        # a provider that was not needed before has not been read
        unread = (follow and not self._follow_firewalld) or bool(names and not self._references)
        self._follow_firewalld, self._references = follow, names
        if unread:
            self._required.set()
            self._add(ProviderEvent.CONFIGURATION)

    def apply(
        self, config: Config, helpers: Mapping[str, Helper], lasting: Mapping[str, HelperConfig]
    ) -> Config:
        """Resolve references to interfaces, and add the helpers of zones.

        `lasting`: that of the active configuration.
        """
        config = references.resolve(config, self._devices)
        if not config.firewalld.follow or self._snapshot is None:
            return config
        result = derive_assignments(self._snapshot, helpers)
        self._warn_unsupported(result.unsupported)
        try:
            return merge_zone_helpers(config, helpers, result.scope, lasting)
        except ConfigError as error:
            log.error("firewalld: zones ignored: %s", error)
            return config

    def _warn_unsupported(self, settings: tuple[Unsupported, ...]) -> None:
        for gap in settings:
            if gap not in self._unsupported:
                log.warning(
                    "firewalld: %s: %s is not supported (%s)", gap.zone, gap.setting, gap.hint
                )
        self._unsupported = settings

    # life cycle

    async def start(self) -> None:
        """Read the required providers, so that the first configuration is complete. Never fails."""
        if not self._required.is_set() or unavailable():
            return
        try:
            await asyncio.wait_for(self._connect(), START_TIMEOUT)
        except BusError as error:
            self._warn(str(error))
        except TimeoutError:
            log.warning("firewalld or NetworkManager: no reply yet, followed later")

    async def changes(self) -> AsyncGenerator[set[Change], None]:
        """Yield each set of changes when the new state has been read. Reconnects to the bus; never ends."""
        pause = RETRY
        try:
            while True:
                await self._required.wait()
                try:
                    if self._client is None and self._is_available():
                        await self._connect()
                        yield {ProviderEvent.CONNECTED}
                    while self._client is not None:
                        pause = RETRY
                        changes = await self._next_changes(self._client)
                        if not changes:
                            break
                        self._warn_gone(changes)
                        yield changes
                except BusError as error:
                    self._warn(str(error))
                self._disconnect()
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_RETRY)
        finally:
            self._disconnect()

    def _is_available(self) -> bool:
        reason = unavailable()
        if isinstance(reason, MissingLibrary):
            self._warn(f"{reason}: neither firewalld nor NetworkManager is followed")
        return reason is None

    async def _connect(self) -> None:
        self._client = Client(self._on_signal)
        try:
            await self._client.connect()
            await self._firewalld.subscribe(self._client)
            await self._networkmanager.subscribe(self._client)
            await self._read(self._client)
            if self._references and not self._networkmanager.running:  # as at each boot
                names = ", ".join(sorted(self._references))
                log.info("NetworkManager is not running; %s match no interface yet", names)
        except BaseException:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None

    def _on_signal(self, signal: Message) -> None:
        self._firewalld.on_signal(signal)
        self._networkmanager.on_signal(signal)

    def _add(self, change: Change) -> None:
        self._pending.add(change)
        self._signalled.set()

    async def _next_changes(self, client: Client) -> set[Change]:
        """Wait for signals and read the new state; empty if the bus connection has ended."""
        loop = asyncio.get_running_loop()
        end = loop.create_task(client.wait_closed())
        try:
            while not end.done():
                signals = loop.create_task(firewalld.debounce(self._signalled, QUIET, LONGEST))
                await asyncio.wait({end, signals}, return_when=asyncio.FIRST_COMPLETED)
                signals.cancel()
                changes, self._pending = self._pending, set()
                if changes:
                    await self._read(client)
                    return changes
        finally:
            end.cancel()
        return set()

    async def _read(self, client: Client) -> None:
        """Read the running providers. After an error the last state stays; a signal will follow."""
        if self._firewalld.running and self._follow_firewalld:
            try:
                self._snapshot = await firewalld.read_snapshot(client)
                if self._snapshot.denied:
                    self._warn(
                        f"firewalld: reading all settings was denied: {self._snapshot.denied}"
                        " (polkit's rules.d lacks fwhelpers-firewalld.rules)"
                    )
            except BusError as error:
                self._warn(f"firewalld: {error}; keeping its last state")
        if self._networkmanager.running and self._references:
            try:
                state = await networkmanager.read_devices(client)
                # its start lasts as long as the slowest profile, for which active ones must not wait
                former = self._devices if state.starting else ()
                self._devices = references.merge_starting(former, state.devices)
            except BusError as error:
                self._warn(f"NetworkManager: {error}; keeping its last state")

    def _warn_gone(self, changes: set[Change]) -> None:
        if firewalld.Change.STOPPED in changes and not self._firewalld.running:
            log.warning("firewalld stopped; its zones stay in force until it returns")
        stopped = networkmanager.Change.STOPPED in changes and not self._networkmanager.running
        if stopped and self._references:
            log.warning("NetworkManager stopped; its devices stay in force until it returns")

    def _warn(self, text: str) -> None:
        """Log once, not at each attempt."""
        if text != self._warning:
            log.warning("%s", text)
        self._warning = text
