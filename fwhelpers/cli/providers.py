"""Queries firewalld and NetworkManager for commands that show the current state."""

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


class Firewalld(NamedTuple):
    """The running firewalld; `services` are the names of all services that it defines."""

    snapshot: Snapshot
    backend: str
    services: frozenset[str]


class NetworkManager(NamedTuple):
    """The running NetworkManager; `profiles` are the names of all profiles we may read, by UUID."""

    devices: tuple[Device, ...]
    profiles: Mapping[str, str]


def query(read: Callable[[Client], Awaitable[T]]) -> T:
    """Run a query on a bus connection of its own. Raises CliError."""
    from fwhelpers.cli.bus_errors import bus_hint, explain
    from fwhelpers.dbus.client import Client
    from fwhelpers.dbus.errors import BusError, NoBus

    async def run() -> T:
        async with Client() as client:
            return await read(client)

    try:
        return asyncio.run(run())
    except NoBus as error:
        raise CliError(str(error), bus_hint(error)) from None
    except BusError as error:
        raise explain(error) from None


def query_firewalld() -> Firewalld | None:
    """firewalld's settings; None if it is not running. Raises CliError."""
    return query(read_firewalld)


def query_networkmanager() -> NetworkManager | None:
    """NetworkManager's devices and profiles; None if it is not running. Raises CliError."""
    return query(read_networkmanager)


async def read_firewalld(client: Client) -> Firewalld | None:
    """firewalld's settings; None if it is not running. Raises BusError."""
    from fwhelpers.firewalld import client as firewalld

    if not await client.name_owner(firewalld.NAME):
        return None
    snapshot = await firewalld.read_snapshot(client)
    backend = await firewalld.read_backend(client)
    return Firewalld(snapshot, backend, await firewalld.list_services(client))


async def read_networkmanager(client: Client) -> NetworkManager | None:
    """NetworkManager's devices and profiles; None if it is not running. Raises BusError."""
    from fwhelpers.networkmanager import client as networkmanager

    if not await client.name_owner(networkmanager.NAME):
        return None
    devices = (await networkmanager.read_devices(client)).devices
    return NetworkManager(devices, await networkmanager.read_profiles(client))


def effective(setup: Setup) -> tuple[Setup, list[str]]:
    """Return the configuration as the service would apply it now, and notes on what could not be queried.

    Zones and references that cannot be queried are left out. Raises ConfigError.
    """
    snapshot, devices, notes = _query_current(setup.config)
    config = references.resolve(setup.config, devices)
    if snapshot is not None:
        from fwhelpers.firewalld.assignments import derive_assignments
        from fwhelpers.firewalld.merge import merge_zone_helpers

        helpers = setup.plugins.helpers
        config = merge_zone_helpers(config, helpers, derive_assignments(snapshot, helpers).scope)
    return Setup(config, setup.plugins), notes


class _Current(NamedTuple):
    snapshot: Snapshot | None
    devices: tuple[Device, ...]
    notes: list[str]


def _query_current(config: Config) -> _Current:
    follow = config.firewalld.follow
    named = sorted(references.references(config))
    if not (follow or named):
        return _Current(None, (), [])
    notes: list[str] = []

    async def read(client: Client) -> _Current:
        snapshot = await _read_zones(client, notes) if follow else None
        return _Current(snapshot, await _read_devices(client, named, notes) if named else (), notes)

    try:
        return query(read)
    except CliError as error:
        omitted = ["firewalld's zones"] if follow else []
        omitted += [f"the interfaces of {', '.join(named)}"] if named else []
        return _Current(None, (), [f"{error}; omitted: {' and '.join(omitted)}"])


async def _read_zones(client: Client, notes: list[str]) -> Snapshot | None:
    from fwhelpers.cli.bus_errors import explain
    from fwhelpers.dbus.errors import BusError
    from fwhelpers.firewalld import client as firewalld

    try:
        if not await client.name_owner(firewalld.NAME):
            return None
        snapshot = await firewalld.read_snapshot(client)
    except BusError as error:
        notes.append(f"{explain(error, firewalld.NAME)}; firewalld's zones are omitted")
        return None
    if snapshot.denied:
        notes.append(f"firewalld denied part of the query ({snapshot.denied}); try as root")
    return snapshot


async def _read_devices(client: Client, named: list[str], notes: list[str]) -> tuple[Device, ...]:
    from fwhelpers.cli.bus_errors import explain
    from fwhelpers.dbus.errors import BusError
    from fwhelpers.networkmanager import client as networkmanager

    try:
        if await client.name_owner(networkmanager.NAME):
            return (await networkmanager.read_devices(client)).devices
        reason = "NetworkManager is not running"
    except BusError as error:
        reason = str(explain(error, networkmanager.NAME))
    notes.append(f"{reason}; {', '.join(named)} match no interface")
    return ()
