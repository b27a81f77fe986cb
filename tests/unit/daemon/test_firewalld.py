"""firewalld's signals: which matter, and how many become one question."""

from __future__ import annotations

import asyncio

from fwhelpers.bus.wire import plain
from fwhelpers.daemon.dbus_client import Signal
from fwhelpers.daemon.firewalld import NAME, Follower, settle

BUS = "org.freedesktop.DBus"


def heard(*signals: tuple[str, str, str]) -> list[str]:
    news: list[str] = []
    follower = Follower(news.append)
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
    follower = Follower(news.append)
    follower.hear(Signal(BUS, "/", BUS, "NameOwnerChanged", ["org.example", "", ":1.7"]))
    follower.hear(Signal(":1.9", "/", BUS, "NameOwnerChanged", [NAME, "", ":1.9"]))
    assert not follower.there
    follower.hear(Signal("", "/", NAME, "Reloaded"))
    assert news == []


def test_going_is_told() -> None:
    news: list[str] = []
    follower = Follower(news.append)
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
        await settle(event, 0.01, 5.0)
        await sending
        rounds += 1
        assert not event.is_set()
        return rounds

    assert asyncio.run(run()) == 1


class Variant:
    def __init__(self, value: object) -> None:
        self.value = value


def test_plain_values() -> None:
    assert plain({"a": Variant([Variant(1), ("x", Variant("y"))])}) == {"a": [1, ["x", "y"]]}
