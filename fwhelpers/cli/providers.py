"""Questions to firewalld and NetworkManager, for commands that look at what there is now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from fwhelpers.cli.common import Setup
from fwhelpers.cli.errors import CliError
from fwhelpers.config import Config
from fwhelpers.firewalld.model import Snapshot
from fwhelpers.networkmanager import references
from fwhelpers.networkmanager.references import Device

if TYPE_CHECKING:
    from fwhelpers.dbus.client import Client

T = TypeVar("T")


class Asked(NamedTuple):
    """What firewalld said; `services` are the names of all that it knows."""

    snapshot: Snapshot
    backend: str
    services: frozenset[str]


class Links(NamedTuple):
    """What NetworkManager said; `profiles` are the names of all connections that we may see, by UUID."""

    devices: tuple[Device, ...]
    profiles: Mapping[str, str]


def ask(question: Callable[[Client], Awaitable[T]]) -> T:
    """Put a question over a connection of its own. Raises CliError: no library, no bus, an error as answer."""
    from fwhelpers.dbus.client import BusError, Client, available

    async def asking() -> T:
        client = Client(lambda _: None)
        await client.connect()
        try:
            return await question(client)
        finally:
            client.close()

    why = available()
    if why:
        raise CliError(why)
    try:
        return asyncio.run(asking())
    except BusError as error:
        raise CliError(str(error)) from None


async def firewalld(client: Client) -> Asked | None:
    """All of firewalld; None if it does not run. Raises BusError."""
    from fwhelpers.firewalld import client as source

    if not await client.owner(source.NAME):
        return None
    found = await source.snapshot(client)
    return Asked(found, await source.backend(client), await source.services(client))


async def links(client: Client) -> Links | None:
    """NetworkManager's devices and connections; None if it does not run. Raises BusError."""
    from fwhelpers.networkmanager import client as source

    if not await client.owner(source.NAME):
        return None
    found = await source.devices(client)
    return Links(found.devices, await source.profiles(client))


def now(files: Setup) -> tuple[Setup, list[str]]:
    """The files' configuration (`common.read`) as the service would have it now, and what could not be asked.

    What could not be asked is left out: no zone then, and no interface for a reference. Raises ConfigError.
    """
    found, notes = _hear(files.config)
    config = references.resolve(files.config, found.devices)
    if found.snapshot is not None:
        from fwhelpers.firewalld.assignments import derive_assignments
        from fwhelpers.firewalld.merge import merge_zone_helpers

        helpers = files.plugins.helpers
        config = merge_zone_helpers(
            config, helpers, derive_assignments(found.snapshot, helpers).scope
        )
    return Setup(config, files.plugins), notes


class _Heard(NamedTuple):
    snapshot: Snapshot | None = None
    devices: tuple[Device, ...] = ()


def _hear(config: Config) -> tuple[_Heard, list[str]]:
    named = sorted(references.references(config))
    if not (config.firewalld.follow or named):
        return _Heard(), []
    notes: list[str] = []

    async def hear(client: Client) -> _Heard:
        snapshot = await _zones(client, notes) if config.firewalld.follow else None
        return _Heard(snapshot, await _devices(client, named, notes) if named else ())

    try:
        return ask(hear), notes
    except CliError as error:
        left = ["firewalld's zones"] if config.firewalld.follow else []
        left += [f"what NetworkManager has for {', '.join(named)}"] if named else []
        return _Heard(), [f"{error}; left out: {' and '.join(left)}"]


async def _zones(client: Client, notes: list[str]) -> Snapshot | None:
    from fwhelpers.dbus.client import BusError
    from fwhelpers.firewalld import client as source

    try:
        if not await client.owner(source.NAME):
            return None
        found = await source.snapshot(client)
    except BusError as error:
        notes.append(f"firewalld: {error}; its zones are left out")
        return None
    if found.denied:
        notes.append(f"firewalld: not all may be read ({found.denied}); try as root")
    return found


async def _devices(client: Client, named: list[str], notes: list[str]) -> tuple[Device, ...]:
    from fwhelpers.dbus.client import BusError
    from fwhelpers.networkmanager import client as source

    try:
        if await client.owner(source.NAME):
            return (await source.devices(client)).devices
        why = "does not run"
    except BusError as error:
        why = f"gave no answer ({error})"
    notes.append(f"NetworkManager {why}; {', '.join(named)}: no interface")
    return ()
