"""NetworkManager's replies and signals."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.dbus.connection import Message
from fwhelpers.networkmanager.client import ACTIVE, DEVICE, NAME, Change, SignalWatcher, decode
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


def test_devices_with_their_active_profiles() -> None:
    result = decode(OBJECTS)
    assert result.devices == (
        Device("eth0", "ethernet", frozenset({"Office", "u-1"})),
        Device("wwan0", "modem"),
        Device("wlp1s0", "wifi"),  # still connecting
        Device("odd0", ""),
    )
    assert not result.starting
    assert decode({**OBJECTS, "/nm": {NAME: {"Startup": True}}}) == (result.devices, True)
    assert decode(None) == ((), False)


BUS = "org.freedesktop.DBus"


def changes(
    *body: Any, sender: str = ":1.5", interface: str = "org.freedesktop.DBus.Properties"
) -> list[Change]:
    """The changes after NetworkManager has started and sent PropertiesChanged."""
    reported: list[Change] = []
    watcher = SignalWatcher(reported.append)
    started = ("sss", (NAME, "", ":1.5"))
    watcher.on_signal(Message(BUS, "/", BUS, "NameOwnerChanged", *started))
    assert watcher.running
    watcher.on_signal(Message(sender, "/x", interface, "PropertiesChanged", "sa{sv}as", body))
    assert reported.pop(0) is Change.STARTED
    return reported


def test_only_properties_that_concern_references_are_changes() -> None:
    assert changes(DEVICE, {"Interface": "lan0"}, []) == [Change.DEVICES]
    assert changes(ACTIVE, {"State": 2}, []) == [Change.DEVICES]
    assert changes(DEVICE, {"Statistics": 5}, []) == []
    assert changes("org.freedesktop.NetworkManager.Device.Wireless", {"Bitrate": 5}, []) == []
    assert changes(DEVICE, {"Interface": "lan0"}, [], sender=":1.6") == []


@pytest.mark.parametrize("body", [(DEVICE,), (DEVICE, 5), ([], {}), ({}, []), (5, {"State": 1})])
def test_malformed_signals_are_ignored(body: tuple[Any, ...]) -> None:
    assert changes(*body) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [NAME, DEVICE, ACTIVE, "Id", "Uuid", "Devices", "State", "DeviceType", "/x"]
            ),
            inner | st.just(2) | st.just(["/x"]),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(VALUES)
def test_any_reply_can_be_decoded(reply: Any) -> None:
    for device in decode(reply).devices:
        assert isinstance(device.interface, str)
        assert all(isinstance(profile, str) for profile in device.profiles)
