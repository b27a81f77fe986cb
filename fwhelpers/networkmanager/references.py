"""Interfaces that the configuration names by profile or type: "profile:Office", "type:wifi".

A reference stands for all interfaces that match it now. A helper whose references match none acts
nowhere, never everywhere.
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

#: names for several types
GROUPS = {"vpn": {"tun", "wireguard", "ppp", "ip-tunnel"}}


@dataclass(frozen=True, slots=True)
class Device:
    """A device; `profiles` holds the names and UUIDs of the profiles active on it."""

    interface: str
    kind: str = ""
    profiles: frozenset[str] = frozenset()


def merge_starting(former: Iterable[Device], devices: Iterable[Device]) -> tuple[Device, ...]:
    """Return the devices of a NetworkManager that is starting, with the profiles active before."""
    # a modem and its network interface are two devices with the same interface name
    merged = {(device.interface, device.kind): device for device in former}
    for device in devices:
        before = merged.get((device.interface, device.kind), device)
        profiles = device.profiles | before.profiles
        merged[device.interface, device.kind] = replace(device, profiles=profiles)
    return tuple(merged.values())


def references(config: Config) -> set[str]:
    """Return the references in a configuration."""
    names = (name for helper in config.helpers.values() for name in helper.interfaces)
    return set(filter(is_reference, names))


def is_reference(name: str) -> bool:
    """Return whether a name has a kind before a colon, which no interface name has."""
    kind, colon, _ = name.partition(":")
    return bool(colon) and kind in REFERENCE_KINDS


def resolve(config: Config, devices: Iterable[Device]) -> Config:
    """Replace references by interfaces. A helper left without any stays enabled but acts nowhere."""
    devices = tuple(devices)
    helpers = {name: _resolve(helper, devices) for name, helper in config.helpers.items()}
    return replace(config, helpers=helpers)


def _resolve(helper: HelperConfig, devices: tuple[Device, ...]) -> HelperConfig:
    if not any(map(is_reference, helper.interfaces)):
        return helper
    resolved: set[str] = set()
    for name in helper.interfaces:
        resolved.update(interfaces(name, devices) if is_reference(name) else [name])
    return replace(helper, interfaces=tuple(sorted(resolved)), general=bool(resolved))


def interfaces(reference: str, devices: Iterable[Device]) -> list[str]:
    """Return the interfaces that match a reference now."""
    kind, _, name = reference.partition(":")
    matches = _has_profile if kind == "profile" else _is_type
    return sorted({d.interface for d in devices if matches(d, name) and is_interface(d.interface)})


def _has_profile(device: Device, name: str) -> bool:
    return name in device.profiles


def _is_type(device: Device, name: str) -> bool:
    return device.kind == name or device.kind in GROUPS.get(name, ())
