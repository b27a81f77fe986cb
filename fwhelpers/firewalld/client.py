"""firewalld as the source of zones: asked once, then followed by its signals. Nothing is polled.

Signals are asked for before the first question, so no change falls between. All that changes zones, policies,
interfaces or sources has a signal of its own; definitions of services and helpers change with a reload only, which has
one, too. A burst (NetworkManager moves interfaces one by one) is taken together. A failed reload has no signal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from fwhelpers.dbus.client import BusError, Client, Peer, Signal
from fwhelpers.firewalld import decode
from fwhelpers.firewalld.model import Policy, Service, Snapshot, Zone

NAME = "org.fedoraproject.FirewallD1"
PATH = "/org/fedoraproject/FirewallD1"
MAIN = (NAME, PATH, NAME)
ZONE = (NAME, PATH, f"{NAME}.zone")
POLICY = (NAME, PATH, f"{NAME}.policy")
IPSET = (NAME, PATH, f"{NAME}.ipset")

#: signals of the main interface that change nothing for us
_IDLE = {"LogDeniedChanged", "AutomaticHelpersChanged"}
#: the same of zones: what they accept, helpers do not care about
_IDLE_PREFIXES = ("Port", "Protocol", "SourcePort", "IcmpBlock", "Masquerade")


async def snapshot(client: Client) -> Snapshot:
    """Ask for all of it. Raises BusError, for which an answer that was refused is no reason (`denied` says so)."""
    active = await client.call(ZONE, "getActiveZones")
    default = str(await client.call(MAIN, "getDefaultZone"))
    asked = _Queries(client)
    zones = {
        name: decode.zone(name, await asked.settings(ZONE, "getZoneSettings2", name))
        for name in sorted({*active, default})
    }
    if asked.denied:  # what everybody may know
        zones = {name: decode.zone(name, given) for name, given in active.items()}
    policies = {
        name: decode.policy(name, await asked.settings(POLICY, "getPolicySettings", name))
        for name in await asked.policies()
    }
    places: list[Zone | Policy] = [*zones.values(), *policies.values()]
    mentioned = [service for place in places for service in place.services]
    mentioned += asked.rich(rule for place in places for rule in place.rich_rules)
    services = await asked.services(mentioned)
    return Snapshot(
        default, zones, policies, services,
        helpers={
            name: decode.helper(name, await asked.settings(MAIN, "getHelperSettings", name))
            for name in sorted({h for service in services.values() for h in service.helpers})
        },
        ipsets={
            source.removeprefix("ipset:"): await asked.entries(source.removeprefix("ipset:"))
            for zone in zones.values()
            for source in zone.sources
            if source.startswith("ipset:")
        },
        version=await asked.property("version"),
        state=await asked.property("state"),
        panic=bool(await client.call(MAIN, "queryPanicMode")),
        denied=asked.denied,
    )  # fmt: skip


async def backend(client: Client) -> str:
    """What it writes its rules with: "nftables", "iptables"; empty if it does not say."""
    try:
        where = (NAME, f"{PATH}/config", f"{NAME}.config")
        return str(await client.property(where, "FirewallBackend"))
    except BusError:
        return ""


async def services(client: Client) -> frozenset[str]:
    """The names of all services that it knows. Raises BusError."""
    return frozenset(await client.call(MAIN, "listServices"))


class _Queries:
    """Questions for which we may lack the right (polkit's server profile), or whose object may just have gone."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.denied = ""

    async def settings(self, target: tuple[str, str, str], member: str, name: str) -> Any:
        try:
            return await self._client.call(target, member, "s", name)
        except BusError as error:
            self._note(error)
            return {}

    async def policies(self) -> list[str]:
        try:
            return sorted(await self._client.call(POLICY, "getActivePolicies"))
        except BusError as error:  # before 0.9 there were none
            self._note(error)
            return []

    async def services(self, names: Iterable[str]) -> dict[str, Service]:
        found: dict[str, Service] = {}
        wanted = list(dict.fromkeys(names))
        while wanted:
            name = wanted.pop()
            if name not in found:
                given = await self.settings(MAIN, "getServiceSettings2", name)
                found[name] = decode.service(name, given)
                wanted += found[name].includes
        return found

    async def entries(self, name: str) -> tuple[str, ...]:
        found = await self.settings(IPSET, "getEntries", name)
        return tuple(map(str, found)) if isinstance(found, list) else ()

    async def property(self, name: str) -> str:
        """Empty where we may not ask: firewalld 1.3 wants for it the right to change its configuration."""
        try:
            return str(await self._client.property(MAIN, name))
        except BusError as error:
            if not _is_denial(error):
                raise
            return ""

    def rich(self, rules: Iterable[str]) -> list[str]:
        """Services that rich rules name."""
        names = []
        for rule in rules:
            _, found, rest = rule.partition('service name="')
            if found:
                names.append(rest.partition('"')[0])
        return names

    def _note(self, error: BusError) -> None:
        """What firewalld itself answers counts as an answer. Raises BusError again for what is none, like no reply."""
        if _is_denial(error):
            self.denied = str(error)
        elif error.name not in (f"{NAME}.Exception", "org.freedesktop.DBus.Error.UnknownMethod"):
            raise error


def _is_denial(error: BusError) -> bool:
    return "NotAuthorized" in error.name or "AccessDenied" in error.name


class SignalWatcher:
    """Hears firewalld's signals and says when to ask again; `matters` is called for each that may change something."""

    def __init__(self, matters: Callable[[str], None]) -> None:
        self._matters = matters
        self._peer = Peer(NAME)

    @property
    def there(self) -> bool:
        """Is firewalld on the bus?"""
        return self._peer.there

    async def listen(self, client: Client) -> None:
        """Ask for the signals, then look whether it is there. Raises BusError."""
        for _, _, interface in (MAIN, ZONE, POLICY, IPSET):
            await client.listen(sender=NAME, interface=interface)
        await self._peer.listen(client)

    def hear(self, signal: Signal) -> None:
        """A signal of the bus."""
        if self._peer.comes_or_goes(signal):
            self._matters("started" if self.there else "gone")
        elif self._peer.sent(signal) and _matters(signal):
            self._matters("reloaded" if signal.member == "Reloaded" else signal.member)


def _matters(signal: Signal) -> bool:
    if not signal.interface.startswith(NAME) or signal.member in _IDLE:
        return False
    return not signal.member.startswith(_IDLE_PREFIXES)


async def debounce(event: asyncio.Event, quiet: float, longest: float) -> None:
    """Wait for an event, then until no more come for `quiet` seconds, at most `longest`."""
    await event.wait()
    end = asyncio.get_running_loop().time() + longest
    while event.is_set() and asyncio.get_running_loop().time() < end:
        event.clear()
        await asyncio.sleep(quiet)
    event.clear()
