"""NetworkManager's answer as devices, and which of its signals matter."""

from __future__ import annotations

from typing import Any

from fwhelpers.dbus.client import Signal
from fwhelpers.networkmanager.client import ACTIVE, DEVICE, NAME, SignalWatcher, decode
from fwhelpers.networkmanager.references import Device

OBJECTS: dict[str, Any] = {
    "/nm": {NAME: {"Startup": False}},
    "/d/1": {DEVICE: {"Interface": "eth0", "IpInterface": "eth0", "DeviceType": 1}},
    "/d/2": {DEVICE: {"Interface": "cdc-wdm0", "IpInterface": "wwan0", "DeviceType": 8}},
    "/d/3": {DEVICE: {"Interface": "wlp1s0", "IpInterface": "", "DeviceType": 2}},
    "/d/4": {DEVICE: {"Interface": "odd0", "DeviceType": 999}},
    "/a/1": {ACTIVE: {"Id": "Office", "Uuid": "u-1", "Devices": ["/d/1"], "State": 2}},
    "/a/2": {ACTIVE: {"Id": "Home", "Uuid": "u-2", "Devices": ["/d/3"], "State": 1}},
}


def test_devices() -> None:
    found = decode(OBJECTS)
    assert found.devices == (
        Device("eth0", "ethernet", frozenset({"Office", "u-1"})),
        Device("wwan0", "modem"),
        Device("wlp1s0", "wifi"),  # still connecting
        Device("odd0", ""),
    )
    assert not found.starting
    assert decode({**OBJECTS, "/nm": {NAME: {"Startup": True}}}) == (found.devices, True)
    assert decode(None) == ((), False)


def heard(
    *body: Any, sender: str = ":1.5", interface: str = "org.freedesktop.DBus.Properties"
) -> bool:
    news: list[str] = []
    follower = SignalWatcher(news.append)
    bus = "org.freedesktop.DBus"
    follower.hear(Signal(bus, "/", bus, "NameOwnerChanged", [NAME, "", ":1.5"]))
    assert follower.there
    news.clear()
    follower.hear(Signal(sender, "/x", interface, "PropertiesChanged", list(body)))
    return bool(news)


def test_what_matters() -> None:
    assert heard(DEVICE, {"Interface": "lan0"}, [])
    assert heard(ACTIVE, {"State": 2}, [])
    assert not heard(DEVICE, {"Statistics": 5}, [])
    assert not heard("org.freedesktop.NetworkManager.Device.Wireless", {"Bitrate": 5}, [])
    assert not heard(DEVICE, {"Interface": "lan0"}, [], sender=":1.6")
    assert not heard(DEVICE)
