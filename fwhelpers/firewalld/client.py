"""Reads firewalld's settings over D-Bus and watches its signals. Nothing is polled.

The signals are subscribed to before the first query, so that no change is missed. Zones, policies,
interfaces and sources have signals of their own; definitions of services and helpers change only
with a reload, which has one, too. A failed reload has no signal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.client import Client, NameWatcher
from fwhelpers.dbus.connection import Message, Target
from fwhelpers.dbus.errors import BusError
from fwhelpers.firewalld import decode
from fwhelpers.firewalld.model import Policy, Service, Snapshot, Zone

NAME = "org.fedoraproject.FirewallD1"
PATH = "/org/fedoraproject/FirewallD1"
MAIN = Target(NAME, PATH, NAME)
ZONE = Target(NAME, PATH, f"{NAME}.zone")
POLICY = Target(NAME, PATH, f"{NAME}.policy")
IPSET = Target(NAME, PATH, f"{NAME}.ipset")
CONFIG = Target(NAME, f"{PATH}/config", f"{NAME}.config")

#: signals of the main interface that do not concern helpers
_IGNORED = {"LogDeniedChanged", "AutomaticHelpersChanged"}
#: the same of zones and policies, by the beginning of their names
_IGNORED_PREFIXES = ("Port", "Protocol", "SourcePort", "IcmpBlock", "Masquerade")


class Change(Enum):
    """A reason to read firewalld's settings again."""

    STARTED = "firewalld started"
    STOPPED = "firewalld stopped"
    RELOADED = "firewalld reloaded"
    SETTINGS = "firewalld changed"


async def read_snapshot(client: Client) -> Snapshot:
    """Read all settings that concern helpers.

    Raises BusError. If polkit denies a query, `denied` of the result has the error.
    """
    active = decode.mapping(await client.call(ZONE, "getActiveZones"))
    default = str(await client.call(MAIN, "getDefaultZone"))
    queries = _Queries(client)
    zones = {
        name: decode.zone(name, await queries.settings(ZONE, "getZoneSettings2", name))
        for name in sorted({*active, default})
    }
    if queries.denied:  # any user may read the active zones
        zones = {name: decode.zone(name, settings) for name, settings in active.items()}
    policies = {
        name: decode.policy(name, await queries.settings(POLICY, "getPolicySettings", name))
        for name in await queries.policies()
    }
    places: list[Zone | Policy] = [*zones.values(), *policies.values()]
    mentioned = [service for place in places for service in place.services]
    mentioned += _rich_rule_services(rule for place in places for rule in place.rich_rules)
    services = await queries.services(mentioned)
    return Snapshot(
        default,
        zones,
        policies,
        services,
        helpers={
            name: decode.helper(name, await queries.settings(MAIN, "getHelperSettings", name))
            for name in sorted({h for service in services.values() for h in service.helpers})
        },
        ipsets=await queries.ipsets(source for zone in zones.values() for source in zone.sources),
        version=await queries.property("version"),
        state=await queries.property("state"),
        panic=bool(await client.call(MAIN, "queryPanicMode")),
        denied=queries.denied,
    )


async def read_backend(client: Client) -> str:
    """The firewall backend, "nftables" or "iptables"; empty if firewalld does not reveal it."""
    try:
        return str(await client.get_property(CONFIG, "FirewallBackend"))
    except BusError:
        return ""


async def list_services(client: Client) -> frozenset[str]:
    """The names of all defined services. Raises BusError."""
    return frozenset(decode.strings(await client.call(MAIN, "listServices")))


class _Queries:
    """Queries that polkit may deny (as its server profile does), or whose object may have disappeared."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.denied = ""

    async def settings(self, target: Target, member: str, name: str) -> Any:
        try:
            return await self._client.call(target, member, "s", name)
        except BusError as error:
            self._tolerate(error)
            return {}

    async def policies(self) -> list[str]:
        try:
            return sorted(decode.mapping(await self._client.call(POLICY, "getActivePolicies")))
        except BusError as error:  # firewalld before 0.9 has no policies
            self._tolerate(error)
            return []

    async def services(self, mentioned: Iterable[str]) -> dict[str, Service]:
        services: dict[str, Service] = {}
        pending = list(dict.fromkeys(mentioned))
        while pending:
            name = pending.pop()
            if name not in services:
                settings = await self.settings(MAIN, "getServiceSettings2", name)
                services[name] = decode.service(name, settings)
                pending += services[name].includes
        return services

    async def ipsets(self, sources: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the entries of the ipsets among sources, without those whose entries firewalld does not know.

        These are the ones with a timeout (fw_ipset.py: IPSET_WITH_TIMEOUT).
        """
        ipsets = {}
        for source in sources:
            name = source.removeprefix("ipset:")
            if name == source:
                continue
            try:
                entries = await self._client.call(IPSET, "getEntries", "s", name)
            except BusError as error:
                self._tolerate(error)
                continue
            ipsets[name] = decode.strings(entries)
        return ipsets

    async def property(self, name: str) -> str:
        """Empty if denied: firewalld 1.3 requires the right to change its configuration for it."""
        try:
            return str(await self._client.get_property(MAIN, name))
        except BusError as error:
            if not _is_denial(error):
                raise
            return ""

    def _tolerate(self, error: BusError) -> None:
        """Accept firewalld's own error replies. Raises other errors again, such as no reply."""
        if _is_denial(error):
            self.denied = str(error)
        elif error.name not in (f"{NAME}.Exception", names.UNKNOWN_METHOD):
            raise error


def _is_denial(error: BusError) -> bool:
    return "NotAuthorized" in error.name or error.name == names.ACCESS_DENIED


def _rich_rule_services(rules: Iterable[str]) -> list[str]:
    services = []
    for rule in rules:
        _, separator, rest = rule.partition('service name="')
        if separator:
            services.append(rest.partition('"')[0])
    return services


class SignalWatcher:
    """Calls `on_change` for each signal of firewalld after which its settings must be read again."""

    def __init__(self, on_change: Callable[[Change], None]) -> None:
        self._on_change = on_change
        self._watcher = NameWatcher(NAME)

    @property
    def running(self) -> bool:
        return self._watcher.running

    async def subscribe(self, client: Client) -> None:
        """Subscribe to the signals, then look whether firewalld is running. Raises BusError."""
        for target in (MAIN, ZONE, POLICY, IPSET):
            await client.match_signals(sender=NAME, interface=target.interface)
        await self._watcher.subscribe(client)

    def on_signal(self, signal: Message) -> None:
        if self._watcher.update(signal):
            self._on_change(Change.STARTED if self.running else Change.STOPPED)
        elif self._watcher.is_sender(signal) and _concerns_helpers(signal):
            reloaded = signal.member == "Reloaded"
            self._on_change(Change.RELOADED if reloaded else Change.SETTINGS)


def _concerns_helpers(signal: Message) -> bool:
    if not signal.interface.startswith(NAME) or signal.member in _IGNORED:
        return False
    return not signal.member.startswith(_IGNORED_PREFIXES)


async def debounce(event: asyncio.Event, quiet: float, longest: float) -> None:
    """Wait for an event, then until it is quiet for `quiet` seconds, `longest` seconds at most."""
    await event.wait()
    end = asyncio.get_running_loop().time() + longest
    while event.is_set() and asyncio.get_running_loop().time() < end:
        event.clear()
        await asyncio.sleep(quiet)
    event.clear()
