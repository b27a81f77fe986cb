"""firewalld's signals: which matter, and how many become one question."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fwhelpers.dbus.client import BusError, Client, Signal
from fwhelpers.dbus.connection import plain
from fwhelpers.firewalld.client import NAME, SignalWatcher, debounce, snapshot
from fwhelpers.firewalld.model import Service, Zone

BUS = "org.freedesktop.DBus"


def heard(*signals: tuple[str, str, str]) -> list[str]:
    news: list[str] = []
    follower = SignalWatcher(news.append)
    follower.hear(Signal(BUS, "/", BUS, "NameOwnerChanged", [NAME, "", ":1.5"]))
    for sender, interface, member in signals:
        follower.hear(Signal(sender, "/x", interface, member))
    return news


def test_what_matters() -> None:
    zone = f"{NAME}.zone"
    assert heard() == ["started"]
    assert heard((":1.5", zone, "ServiceAdded"), (":1.5", NAME, "Reloaded"))[1:] == [
        "ServiceAdded",
        "reloaded",
    ]
    for member in ("PortAdded", "MasqueradeRemoved", "IcmpBlockAdded", "SourcePortAdded"):
        assert heard((":1.5", zone, member)) == ["started"]
    for member in ("ZoneUpdated2", "SourceAdded", "ForwardPortAdded", "RichRuleRemoved"):
        assert heard((":1.5", zone, member)) == ["started", member]
    assert heard((":1.5", f"{NAME}.policy", "PolicyUpdated")) == ["started", "PolicyUpdated"]


def test_nobody_else_is_believed() -> None:
    assert heard((":1.6", NAME, "Reloaded"), (":1.5", "org.example", "Reloaded")) == ["started"]
    news: list[str] = []
    follower = SignalWatcher(news.append)
    follower.hear(Signal(BUS, "/", BUS, "NameOwnerChanged", ["org.example", "", ":1.7"]))
    follower.hear(Signal(":1.9", "/", BUS, "NameOwnerChanged", [NAME, "", ":1.9"]))
    assert not follower.there
    follower.hear(Signal("", "/", NAME, "Reloaded"))
    assert news == []


def test_going_is_told() -> None:
    news: list[str] = []
    follower = SignalWatcher(news.append)
    follower.hear(Signal(BUS, "/", BUS, "NameOwnerChanged", [NAME, ":1.5", ""]))
    assert news == ["gone"]
    assert not follower.there


def test_a_burst_is_settled_once() -> None:
    async def run() -> int:
        event, rounds = asyncio.Event(), 0

        async def burst() -> None:
            for _ in range(5):
                event.set()
                await asyncio.sleep(0)

        sending = asyncio.get_running_loop().create_task(burst())
        await debounce(event, 0.01, 5.0)
        await sending
        rounds += 1
        assert not event.is_set()
        return rounds

    assert asyncio.run(run()) == 1


ANSWERS: dict[str, Any] = {
    "getActiveZones": {"home": {"interfaces": ["lan"]}},
    "getDefaultZone": "public",
    "getActivePolicies": {},
    "getZoneSettings2": {"interfaces": ["lan"], "services": ["fw-ssdp"]},
    "getServiceSettings2": {"helpers": ["fw-ssdp"]},
    "getHelperSettings": ["", "", "", "", "nf_conntrack_ssdp", []],
    "queryPanicMode": False,
}


class Fake(Client):
    """A firewalld that answers so, or with this error."""

    def __init__(self, **errors: str) -> None:
        self._errors = errors

    async def call(self, target: object, member: str, *rest: object, **_: object) -> Any:
        if member in self._errors:
            raise BusError("said", self._errors[member])
        return ANSWERS[member]

    async def property(self, target: object, name: str) -> Any:
        if name in self._errors:
            raise BusError("said", self._errors[name])
        return "RUNNING" if name == "state" else "1.3.3"


def test_a_snapshot() -> None:
    found = asyncio.run(snapshot(Fake()))
    assert found.zones["home"] == Zone("home", ("lan",), services=("fw-ssdp",))
    assert found.helpers["fw-ssdp"].kernel_name == "ssdp"
    assert (found.default_zone, found.version, found.denied) == ("public", "1.3.3", "")


def test_what_is_denied_is_told_and_the_rest_taken() -> None:
    found = asyncio.run(snapshot(Fake(getZoneSettings2=f"{NAME}.NotAuthorizedException")))
    assert found.denied == "said"
    assert found.zones == {"home": Zone("home", ("lan",))}


def test_a_property_that_is_denied_is_unknown_and_keeps_nothing_else_back() -> None:
    found = asyncio.run(snapshot(Fake(state=f"{NAME}.NotAuthorizedException")))
    assert (found.state, found.version, found.denied) == ("", "1.3.3", "")
    assert found.zones["home"].services == ("fw-ssdp",)


def test_what_has_just_gone_is_empty() -> None:
    found = asyncio.run(snapshot(Fake(getServiceSettings2=f"{NAME}.Exception")))
    assert found.services["fw-ssdp"] == Service("fw-ssdp")
    assert found.denied == ""


@pytest.mark.parametrize("member", ["getActiveZones", "getZoneSettings2", "getHelperSettings"])
def test_no_answer_is_not_an_empty_one(member: str) -> None:
    """Else helpers would end because firewalld was slow."""
    with pytest.raises(BusError):
        asyncio.run(snapshot(Fake(**{member: "org.freedesktop.DBus.Error.NoReply"})))


class Variant:
    def __init__(self, value: object) -> None:
        self.value = value


def test_plain_values() -> None:
    assert plain({"a": Variant([Variant(1), ("x", Variant("y"))])}) == {"a": [1, ["x", "y"]]}
