"""Interfaces that the configuration names by NetworkManager's words: "connection:Office", "type:wifi". Pure.

A reference means all interfaces that fit at the moment; where none does, the helper acts nowhere, never everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fwhelpers.config import Config, HelperConfig
from fwhelpers.config.validators import REFERENCE_KINDS, is_interface

#: NMDeviceType (NetworkManager's nm-dbus-types.xml)
TYPES = {
    1: "ethernet", 2: "wifi", 5: "bluetooth", 8: "modem", 9: "infiniband", 10: "bond", 11: "vlan",
    12: "adsl", 13: "bridge", 15: "team", 16: "tun", 17: "ip-tunnel", 18: "macvlan", 19: "vxlan",
    20: "veth", 21: "macsec", 22: "dummy", 23: "ppp", 24: "ovs-interface", 25: "ovs-port",
    26: "ovs-bridge", 27: "wpan", 28: "6lowpan", 29: "wireguard", 30: "wifi-p2p", 31: "vrf",
    32: "loopback", 33: "hsr", 34: "ipvlan", 35: "geneve",
}  # fmt: skip

#: words for several
GROUPS = {"vpn": {"tun", "wireguard", "ppp", "ip-tunnel"}}


@dataclass(frozen=True, slots=True)
class Device:
    """A device of NetworkManager's; `connections` are names and UUIDs of those that are up on it."""

    interface: str
    kind: str = ""
    connections: frozenset[str] = frozenset()
    active: bool = True


def merge_starting(former: Iterable[Device], devices: Iterable[Device]) -> tuple[Device, ...]:
    """Devices as they are, and what was up on each before is up as well."""
    # a modem and its network interface are two devices with one interface's name
    found = {(device.interface, device.kind): device for device in former}
    for device in devices:
        before = found.get((device.interface, device.kind), device)
        up = device.connections | before.connections
        found[device.interface, device.kind] = replace(device, connections=up)
    return tuple(found.values())


def references(config: Config) -> set[str]:
    """The references in a configuration."""
    return {n for made in config.helpers.values() for n in made.interfaces if is_reference(n)}


def is_reference(name: str) -> bool:
    """A name with a kind before a colon; no interface has one."""
    kind, colon, _ = name.partition(":")
    return bool(colon) and kind in REFERENCE_KINDS


def resolve(config: Config, devices: Iterable[Device]) -> Config:
    """Interfaces instead of references. A helper for which none is left does not act, but stays enabled."""
    known = tuple(devices)
    helpers = {name: _resolved(made, known) for name, made in config.helpers.items()}
    return replace(config, helpers=helpers)


def _resolved(made: HelperConfig, devices: tuple[Device, ...]) -> HelperConfig:
    if not any(map(is_reference, made.interfaces)):
        return made
    found = {name for name in made.interfaces if not is_reference(name)}
    for name in made.interfaces:
        if is_reference(name):
            found |= set(interfaces(name, devices))
    return replace(made, interfaces=tuple(sorted(found)), general=bool(found))


def interfaces(reference: str, devices: Iterable[Device]) -> list[str]:
    """The interfaces that fit a reference now."""
    kind, _, name = reference.partition(":")
    fits = _connection if kind == "connection" else _type
    return sorted({d.interface for d in devices if fits(d, name) and is_interface(d.interface)})


def _connection(device: Device, name: str) -> bool:
    return device.active and name in device.connections


def _type(device: Device, name: str) -> bool:
    return device.kind == name or device.kind in GROUPS.get(name, ())
