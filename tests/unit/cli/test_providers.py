"""The configuration as it would be now: with zones and connections where the bus can be asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fwhelpers.cli import providers
from fwhelpers.cli.main import main
from fwhelpers.dbus import client as dbus_client
from fwhelpers.dbus.client import BusError
from fwhelpers.firewalld import client as firewalld
from fwhelpers.firewalld.model import FirewalldHelper, Service, Snapshot, Zone
from fwhelpers.networkmanager import client as networkmanager
from fwhelpers.networkmanager.client import Answer
from fwhelpers.networkmanager.references import Device

pytestmark = pytest.mark.usefixtures("installed")

Capture = pytest.CaptureFixture[str]

SNAPSHOT = Snapshot(
    "public",
    {"public": Zone("public", ("wan",)), "home": Zone("home", ("lan",), (), ("fw-bar",))},
    services={"fw-bar": Service("fw-bar", (("8", "tcp"),), ("fw-bar",))},
    helpers={"fw-bar": FirewalldHelper("fw-bar", "nf_conntrack_bar", (("8", "tcp"),))},
)
OFFICE = Device("eth7", "ethernet", frozenset({"Office", "u-1"}))
NAMED = '[helpers.foo]\ninterfaces = ["connection:Office"]\n'


class Bus:
    """A bus on which these run: what they say, or how they fail."""

    def __init__(self, **said: object) -> None:
        self._said = said

    async def connect(self) -> None:
        if "bus" in self._said:
            raise BusError("the bus hung up")

    async def owner(self, name: str) -> str:
        return ":1.1" if name in (firewalld.NAME, networkmanager.NAME) and self.has(name) else ""

    def has(self, name: str) -> bool:
        return ("zones" if name == firewalld.NAME else "devices") in self._said

    def close(self) -> None:
        pass

    def say(self, what: str) -> Callable[[Any], Awaitable[Any]]:
        async def answer(client: Any) -> Any:
            found = self._said[what]
            if isinstance(found, Exception):
                raise found
            return found

        return answer


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def install(**said: object) -> None:
        bus = Bus(profiles={"u-1": "Office"}, **said)
        monkeypatch.setattr(dbus_client, "available", lambda: "")
        monkeypatch.setattr(dbus_client, "Client", lambda signal: bus)
        monkeypatch.setattr(firewalld, "snapshot", bus.say("zones"))
        monkeypatch.setattr(networkmanager, "devices", bus.say("devices"))
        monkeypatch.setattr(networkmanager, "profiles", bus.say("profiles"))

    return install


def ruleset(folder: Path, toml: str, capsys: Capture) -> tuple[str, list[str]]:
    (folder / "fwhelpers.toml").write_text(toml)
    assert main(["ruleset", "--config", str(folder)]) == 0
    said = capsys.readouterr()
    return said.out, said.err.splitlines()


def test_zones_and_connections(
    beside: Callable[..., None], config_dir: Path, capsys: Capture
) -> None:
    beside(zones=SNAPSHOT, devices=Answer((OFFICE,)))
    rules, notes = ruleset(config_dir, NAMED, capsys)
    assert not notes
    assert 'iifname "eth7" udp dport 7 counter' in rules
    assert 'iifname "lan" goto in.home' in rules
    rules, notes = ruleset(config_dir, f"[firewalld]\nfollow = false\n{NAMED}", capsys)
    assert not notes
    assert "in.home" not in rules


def test_without_them_and_without_need(
    beside: Callable[..., None], config_dir: Path, capsys: Capture
) -> None:
    beside()
    rules, notes = ruleset(config_dir, "[helpers.foo]\n", capsys)
    assert not notes, "a firewalld that does not run has no zones"
    assert "udp dport 7 counter" in rules
    rules, notes = ruleset(config_dir, NAMED, capsys)
    assert "counter ct label set" not in rules
    (note,) = notes
    assert note == ("fwhelpers: note: NetworkManager does not run; connection:Office: no interface")


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ({"bus": 1}, "the bus hung up; left out: firewalld's zones and what NetworkManager has"),
        (
            {"zones": BusError("no reply"), "devices": Answer(())},
            "firewalld: no reply; its zones are left",
        ),
        (
            {"devices": BusError("no reply")},
            "NetworkManager gave no answer (no reply); connection:",
        ),
        (
            {"zones": Snapshot(denied="no"), "devices": Answer(())},
            "not all may be read (no); try as root",
        ),
    ],
)
def test_what_can_not_be_asked_is_told_and_left_out(
    beside: Callable[..., None],
    said: dict[str, object],
    what: str,
    config_dir: Path,
    capsys: Capture,
) -> None:
    beside(**said)
    rules, notes = ruleset(config_dir, f'{NAMED}[helpers.bar]\ninterfaces = ["eth1"]\n', capsys)
    assert len(notes) == 1
    assert what in notes[0]
    assert 'iifname "eth1" tcp dport' in rules


def test_no_bus(config_dir: Path, capsys: Capture) -> None:
    rules, notes = ruleset(config_dir, "[helpers.foo]\n", capsys)
    assert "udp dport 7 counter" in rules
    assert len(notes) == 1
    assert "there is no system bus" in notes[0]
    assert notes[0].endswith("left out: firewalld's zones")
    rules, notes = ruleset(config_dir, "[firewalld]\nfollow = false\n[helpers.foo]\n", capsys)
    assert not notes


def test_links(beside: Callable[..., None]) -> None:
    beside(devices=Answer((OFFICE,)))
    assert providers.ask(providers.links) == providers.Links((OFFICE,), {"u-1": "Office"})
    assert providers.ask(providers.firewalld) is None
