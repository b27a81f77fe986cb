"""NetworkManager's devices and what is connected on them, asked in one call and followed by signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fwhelpers.dbus.client import BusError, Client, Peer, Signal
from fwhelpers.networkmanager.references import TYPES, Device

NAME, PATH = "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager"
OBJECTS = (NAME, "/org/freedesktop", "org.freedesktop.DBus.ObjectManager")
GONE, STARTED = "NetworkManager gone", "NetworkManager started"  #: what the follower says
DEVICE, ACTIVE = f"{NAME}.Device", f"{NAME}.Connection.Active"

_ACTIVATED = 2  #: NM_ACTIVE_CONNECTION_STATE_ACTIVATED
#: properties that matter; statistics, leases and signal strengths change all the time
_DEVICE_KEYS = {"Interface", "IpInterface", "ActiveConnection", "DeviceType"}
_ACTIVE_KEYS = {"Id", "Uuid", "Devices", "State"}
_KEYS = {DEVICE: _DEVICE_KEYS, ACTIVE: _ACTIVE_KEYS, NAME: {"Startup"}}


class Answer(NamedTuple):
    """All devices. One that is starting may not yet have taken over what is up."""

    devices: tuple[Device, ...]
    starting: bool = False


async def devices(client: Client) -> Answer:
    """All devices. Raises BusError."""
    return decode(await client.call(OBJECTS, "GetManagedObjects"))


async def profiles(client: Client) -> dict[str, str]:
    """The names of all connections that we may see by UUID, up or not. Raises BusError."""
    settings = f"{NAME}.Settings"
    paths = await client.call((NAME, f"{PATH}/Settings", settings), "ListConnections")
    found = {}
    for path in paths:
        try:
            given = await client.call((NAME, path, f"{settings}.Connection"), "GetSettings")
        except BusError:  # deleted since, or somebody else's
            continue
        named = given.get("connection", {})
        found[str(named.get("uuid", path))] = str(named.get("id", ""))
    return found


def decode(objects: Any) -> Answer:
    """The answer to GetManagedObjects; what is of another kind than documented counts as missing."""
    found = objects if isinstance(objects, Mapping) else {}
    starting = any(interfaces.get(NAME, {}).get("Startup") for interfaces in found.values())
    names: dict[str, set[str]] = {}
    for interfaces in found.values():
        active = interfaces.get(ACTIVE, {})
        if active.get("State") == _ACTIVATED:
            for path in active.get("Devices", ()):
                names.setdefault(path, set()).update({active.get("Id", ""), active.get("Uuid", "")})
    known = tuple(
        _device(interfaces[DEVICE], frozenset(names.get(path, set()) - {""}))
        for path, interfaces in sorted(found.items())
        if DEVICE in interfaces
    )
    return Answer(known, starting)


def _device(given: Mapping[str, Any], connections: frozenset[str]) -> Device:
    # a modem's IP interface is another (ppp0, wwan0) than its device (cdc-wdm0); VPNs' as well
    interface = given.get("IpInterface") or given.get("Interface") or ""
    return Device(str(interface), TYPES.get(given.get("DeviceType", 0), ""), connections)


class SignalWatcher:
    """Hears NetworkManager's signals and says when to ask again."""

    def __init__(self, matters: Callable[[str], None]) -> None:
        self._matters = matters
        self._peer = Peer(NAME)

    @property
    def there(self) -> bool:
        """Is NetworkManager on the bus?"""
        return self._peer.there

    async def listen(self, client: Client) -> None:
        """Ask for the signals, then look whether it is there. Raises BusError."""
        properties = "org.freedesktop.DBus.Properties"
        for interface in _KEYS:
            await client.listen(
                sender=NAME, interface=properties, member="PropertiesChanged", arg0=interface
            )
        await client.listen(sender=NAME, interface=OBJECTS[2], path=OBJECTS[1])
        await self._peer.listen(client)

    def hear(self, signal: Signal) -> None:
        """A signal of the bus."""
        if self._peer.comes_or_goes(signal):
            self._matters(STARTED if self.there else GONE)
        elif self._peer.sent(signal) and _matters(signal):
            self._matters("connections")


def _matters(signal: Signal) -> bool:
    if signal.interface == OBJECTS[2]:
        return True
    if signal.member != "PropertiesChanged" or len(signal.body) < 2:
        return False
    return bool(_KEYS.get(signal.body[0], set()) & set(signal.body[1]))
