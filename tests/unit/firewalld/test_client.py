"""firewalld's signals and replies."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fwhelpers.dbus.client import Client
from fwhelpers.dbus.connection import Message
from fwhelpers.dbus.errors import NO_REPLY, BusError
from fwhelpers.firewalld.assignments import derive_assignments
from fwhelpers.firewalld.client import NAME, Change, SignalWatcher, debounce, read_snapshot
from fwhelpers.firewalld.model import Service, Zone

BUS = "org.freedesktop.DBus"


def owner_changed(name: str, old: str, new: str, sender: str = BUS) -> Message:
    return Message(sender, "/", BUS, "NameOwnerChanged", "sss", (name, old, new))


def changes(*signals: tuple[str, str, str]) -> list[Change]:
    """The changes after firewalld has started and sent these signals."""
    reported: list[Change] = []
    watcher = SignalWatcher(reported.append)
    watcher.on_signal(owner_changed(NAME, "", ":1.5"))
    for sender, interface, member in signals:
        watcher.on_signal(Message(sender, "/x", interface, member))
    assert reported.pop(0) is Change.STARTED
    return reported


def test_only_signals_that_concern_helpers_are_changes() -> None:
    zone = f"{NAME}.zone"
    assert changes((":1.5", zone, "ServiceAdded"), (":1.5", NAME, "Reloaded")) == [
        Change.SETTINGS, Change.RELOADED,
    ]  # fmt: skip
    for member in ("PortAdded", "MasqueradeRemoved", "IcmpBlockAdded", "SourcePortAdded"):
        assert changes((":1.5", zone, member)) == []
    for member in ("ZoneUpdated2", "SourceAdded", "ForwardPortAdded", "RichRuleRemoved"):
        assert changes((":1.5", zone, member)) == [Change.SETTINGS]
    assert changes((":1.5", f"{NAME}.policy", "PolicyUpdated")) == [Change.SETTINGS]
    assert changes((":1.5", NAME, "LogDeniedChanged")) == []


def test_signals_of_other_senders_are_ignored() -> None:
    assert changes((":1.6", NAME, "Reloaded"), (":1.5", "org.example", "Reloaded")) == []
    reported: list[Change] = []
    watcher = SignalWatcher(reported.append)
    watcher.on_signal(owner_changed("org.example", "", ":1.7"))
    watcher.on_signal(owner_changed(NAME, "", ":1.9", sender=":1.9"))
    assert not watcher.running
    watcher.on_signal(Message("", "/", NAME, "Reloaded"))
    assert reported == []


def test_the_end_of_firewalld_is_a_change() -> None:
    reported: list[Change] = []
    watcher = SignalWatcher(reported.append)
    watcher.on_signal(owner_changed(NAME, ":1.5", ""))
    assert reported == [Change.STOPPED]
    assert not watcher.running


def test_a_burst_of_events_is_taken_together() -> None:
    async def run() -> None:
        event = asyncio.Event()

        async def burst() -> None:
            for _ in range(5):
                event.set()
                await asyncio.sleep(0)

        sending = asyncio.get_running_loop().create_task(burst())
        await debounce(event, 0.01, 5.0)
        await sending
        assert not event.is_set()

    asyncio.run(run())


REPLIES: dict[str, Any] = {
    "getActiveZones": {"home": {"interfaces": ["lan"]}},
    "getDefaultZone": "public",
    "getActivePolicies": {},
    "getZoneSettings2": {"interfaces": ["lan"], "services": ["fw-ssdp"]},
    "getServiceSettings2": {"helpers": ["fw-ssdp"]},
    "getHelperSettings": ["", "", "", "", "nf_conntrack_ssdp", []],
    "queryPanicMode": False,
}


class Fake(Client):
    """A firewalld with the replies above, or with these errors by method."""

    def __init__(self, **errors: str) -> None:
        self._errors = errors

    async def call(self, target: object, member: str, *rest: object, **_: object) -> Any:
        if member in self._errors:
            raise BusError(self._errors[member], "denied")
        return REPLIES[member]

    async def get_property(self, target: object, name: str) -> Any:
        if name in self._errors:
            raise BusError(self._errors[name], "denied")
        return "RUNNING" if name == "state" else "1.3.3"


def test_the_settings_are_read() -> None:
    snapshot = asyncio.run(read_snapshot(Fake()))
    assert snapshot.zones["home"] == Zone("home", ("lan",), services=("fw-ssdp",))
    assert snapshot.helpers["fw-ssdp"].kernel_name == "ssdp"
    assert (snapshot.default_zone, snapshot.version, snapshot.denied) == ("public", "1.3.3", "")


def test_denied_settings_are_noted_and_the_others_used() -> None:
    snapshot = asyncio.run(read_snapshot(Fake(getZoneSettings2=f"{NAME}.NotAuthorizedException")))
    assert snapshot.denied == "denied"
    assert snapshot.zones == {"home": Zone("home", ("lan",))}


def test_a_denied_property_is_empty() -> None:
    snapshot = asyncio.run(read_snapshot(Fake(state=f"{NAME}.NotAuthorizedException")))
    assert (snapshot.state, snapshot.version, snapshot.denied) == ("", "1.3.3", "")
    assert snapshot.zones["home"].services == ("fw-ssdp",)


def test_a_service_that_was_just_removed_is_empty() -> None:
    snapshot = asyncio.run(read_snapshot(Fake(getServiceSettings2=f"{NAME}.Exception")))
    assert snapshot.services["fw-ssdp"] == Service("fw-ssdp")
    assert snapshot.denied == ""


def test_entries_of_ipsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ipset with a timeout is not empty: firewalld has no list of its entries."""
    zone = {"sources": ["ipset:blocked", "10.0.0.0/8"]}
    monkeypatch.setitem(REPLIES, "getZoneSettings2", zone)
    monkeypatch.setitem(REPLIES, "getEntries", [])
    assert asyncio.run(read_snapshot(Fake())).ipsets == {"blocked": ()}
    snapshot = asyncio.run(read_snapshot(Fake(getEntries=f"{NAME}.Exception")))
    assert (snapshot.ipsets, snapshot.denied) == ({}, "")
    settings = [gap.setting for gap in derive_assignments(snapshot, {}).unsupported]
    assert settings == ["source ipset:blocked"] * 2, "of both zones"


@pytest.mark.parametrize("member", ["getActiveZones", "getZoneSettings2", "getHelperSettings"])
def test_a_missing_reply_is_an_error(member: str) -> None:
    """Otherwise a slow firewalld would disable helpers."""
    with pytest.raises(BusError):
        asyncio.run(read_snapshot(Fake(**{member: NO_REPLY})))
