"""Reads NetworkManager's devices and active profiles over D-Bus and watches its signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from fwhelpers.dbus import names
from fwhelpers.dbus.client import Client, NameWatcher
from fwhelpers.dbus.connection import Message, Target
from fwhelpers.dbus.errors import BusError
from fwhelpers.networkmanager.references import TYPES, Device

NAME, PATH = "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager"
OBJECTS = Target(NAME, "/org/freedesktop", names.OBJECT_MANAGER)
SETTINGS = Target(NAME, f"{PATH}/Settings", f"{NAME}.Settings")
DEVICE, ACTIVE = f"{NAME}.Device", f"{NAME}.Connection.Active"

_ACTIVATED = 2  #: NM_ACTIVE_CONNECTION_STATE_ACTIVATED
#: the properties that concern us; statistics, leases and signal strengths change all the time
_PROPERTIES = {
    DEVICE: {"Interface", "IpInterface", "ActiveConnection", "DeviceType"},
    ACTIVE: {"Id", "Uuid", "Devices", "State"},
    NAME: {"Startup"},
}


class Change(Enum):
    """A reason to read NetworkManager's devices again."""

    STARTED = "NetworkManager started"
    STOPPED = "NetworkManager stopped"
    DEVICES = "NetworkManager changed"


class Devices(NamedTuple):
    """All devices. While NetworkManager is starting, active profiles may be missing from them."""

    devices: tuple[Device, ...]
    starting: bool = False


async def read_devices(client: Client) -> Devices:
    """Read all devices. Raises BusError."""
    return decode(await client.call(OBJECTS, "GetManagedObjects"))


async def read_profiles(client: Client) -> dict[str, str]:
    """Return the names of all profiles that we may read, active or not, by UUID. Raises BusError."""
    profiles = {}
    for path in await client.call(SETTINGS, "ListConnections"):
        target = Target(NAME, path, f"{NAME}.Settings.Connection")
        try:
            settings = _mapping(await client.call(target, "GetSettings"))
        except BusError:  # deleted meanwhile, or private to another user
            continue
        identity = _mapping(settings.get("connection"))
        profiles[str(identity.get("uuid", path))] = str(identity.get("id", ""))
    return profiles


def decode(reply: Any) -> Devices:
    """Decode a reply of GetManagedObjects; values of an undocumented type count as missing."""
    objects = {path: _mapping(interfaces) for path, interfaces in _mapping(reply).items()}
    starting = any(_mapping(o.get(NAME)).get("Startup") is True for o in objects.values())
    profiles: dict[str, set[str]] = {}
    for interfaces in objects.values():
        active = _mapping(interfaces.get(ACTIVE))
        if active.get("State") == _ACTIVATED:
            for path in _strings(active.get("Devices")):
                identity = _strings([active.get("Id"), active.get("Uuid")])
                profiles.setdefault(path, set()).update(identity)
    devices = tuple(
        _device(_mapping(interfaces[DEVICE]), frozenset(profiles.get(path, ())))
        for path, interfaces in sorted(objects.items())
        if DEVICE in interfaces
    )
    return Devices(devices, starting)


def _device(properties: Mapping[str, Any], profiles: frozenset[str]) -> Device:
    # the IP interface of a modem (ppp0, wwan0) or VPN differs from its device (cdc-wdm0)
    interface = properties.get("IpInterface") or properties.get("Interface") or ""
    kind = properties.get("DeviceType")
    return Device(str(interface), TYPES.get(kind, "") if isinstance(kind, int) else "", profiles)


def _mapping(value: Any) -> dict[str, Any]:
    entries = value.items() if isinstance(value, Mapping) else ()
    return {key: inner for key, inner in entries if isinstance(key, str)}


def _strings(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str) and v] if isinstance(value, list) else []


class SignalWatcher:
    """Calls `on_change` for each signal after which the devices must be read again."""

    def __init__(self, on_change: Callable[[Change], None]) -> None:
        self._on_change = on_change
        self._watcher = NameWatcher(NAME)

    @property
    def running(self) -> bool:
        return self._watcher.running

    async def subscribe(self, client: Client) -> None:
        """Subscribe to the signals, then look whether NetworkManager is running. Raises BusError."""
        for interface in _PROPERTIES:
            await client.match_signals(
                sender=NAME, interface=names.PROPERTIES, member="PropertiesChanged", arg0=interface
            )
        await client.match_signals(sender=NAME, interface=OBJECTS.interface, path=OBJECTS.path)
        await self._watcher.subscribe(client)

    def on_signal(self, signal: Message) -> None:
        if self._watcher.update(signal):
            self._on_change(Change.STARTED if self.running else Change.STOPPED)
        elif self._watcher.is_sender(signal) and _concerns_references(signal):
            self._on_change(Change.DEVICES)


def _concerns_references(signal: Message) -> bool:
    if signal.interface == OBJECTS.interface:
        return True
    if signal.member != "PropertiesChanged" or len(signal.body) < 2:
        return False
    interface, changed = signal.body[:2]
    properties = _PROPERTIES.get(interface, set()) if isinstance(interface, str) else set()
    return not properties.isdisjoint(_mapping(changed))
