"""The effective configuration with zones and references, as far as the providers reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fwhelpers.cli import providers
from fwhelpers.cli.main import main
from fwhelpers.dbus import client as dbus_client
from fwhelpers.dbus.errors import BusError, NoBus
from fwhelpers.firewalld import client as firewalld
from fwhelpers.firewalld.model import FirewalldHelper, Service, Snapshot, Zone
from fwhelpers.networkmanager import client as networkmanager
from fwhelpers.networkmanager.client import Devices
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
NAMED = '[helpers.foo]\ninterfaces = ["profile:Office"]\n'


class Bus:
    """A bus client with these replies or errors of firewalld (zones) and NetworkManager (devices)."""

    def __init__(self, **replies: object) -> None:
        self._replies = replies

    async def __aenter__(self) -> Bus:
        if "bus" in self._replies:
            raise NoBus("the bus hung up")
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def name_owner(self, name: str) -> str:
        return ":1.1" if name in (firewalld.NAME, networkmanager.NAME) and self.has(name) else ""

    def has(self, name: str) -> bool:
        return ("zones" if name == firewalld.NAME else "devices") in self._replies

    def reader(self, key: str) -> Callable[[Any], Awaitable[Any]]:
        async def read(client: Any) -> Any:
            reply = self._replies[key]
            if isinstance(reply, Exception):
                raise reply
            return reply

        return read


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def install(**replies: object) -> None:
        bus = Bus(profiles={"u-1": "Office"}, **replies)
        monkeypatch.setattr(dbus_client, "Client", lambda: bus)
        monkeypatch.setattr(firewalld, "read_snapshot", bus.reader("zones"))
        monkeypatch.setattr(networkmanager, "read_devices", bus.reader("devices"))
        monkeypatch.setattr(networkmanager, "read_profiles", bus.reader("profiles"))

    return install


def ruleset(folder: Path, toml: str, capsys: Capture) -> tuple[str, list[str]]:
    (folder / "fwhelpers.toml").write_text(toml)
    assert main(["ruleset", "--config", str(folder)]) == 0
    out, err = capsys.readouterr()
    return out, err.splitlines()


def test_zones_and_references_are_applied(
    beside: Callable[..., None], config_dir: Path, capsys: Capture
) -> None:
    beside(zones=SNAPSHOT, devices=Devices((OFFICE,)))
    rules, notes = ruleset(config_dir, NAMED, capsys)
    assert not notes
    assert 'iifname "eth7" udp dport 7 counter' in rules
    assert 'iifname "lan" goto in.home' in rules
    rules, notes = ruleset(config_dir, f"[firewalld]\nfollow = false\n{NAMED}", capsys)
    assert not notes
    assert "in.home" not in rules


def test_firewalld_is_optional_and_networkmanager_only_for_references(
    beside: Callable[..., None], config_dir: Path, capsys: Capture
) -> None:
    beside()
    rules, notes = ruleset(config_dir, "[helpers.foo]\n", capsys)
    assert not notes, "a firewalld that is not running has no zones"
    assert "udp dport 7 counter" in rules
    rules, notes = ruleset(config_dir, NAMED, capsys)
    assert "counter ct label set" not in rules
    (note,) = notes
    assert note == (
        "fwhelpers: note: NetworkManager is not running; profile:Office match no interface"
    )


@pytest.mark.parametrize(
    ("replies", "text"),
    [
        (
            {"bus": 1},
            "the bus hung up; omitted: firewalld's zones and the interfaces of profile:Office",
        ),
        (
            {"zones": BusError("x.NoReply", "no reply"), "devices": Devices(())},
            "firewalld replied to a call with an unexpected error: no reply (x.NoReply);"
            " firewalld's zones are omitted",
        ),
        (
            {"devices": BusError("x.NoReply", "no reply")},
            "NetworkManager replied to a call with an unexpected error: no reply (x.NoReply);"
            " profile:Office match no interface",
        ),
        (
            {"zones": Snapshot(denied="no"), "devices": Devices(())},
            "firewalld denied part of the query (no); try as root",
        ),
    ],
)
def test_failed_queries_are_reported_and_omitted(
    beside: Callable[..., None],
    replies: dict[str, object],
    text: str,
    config_dir: Path,
    capsys: Capture,
) -> None:
    beside(**replies)
    rules, notes = ruleset(config_dir, f'{NAMED}[helpers.bar]\ninterfaces = ["eth1"]\n', capsys)
    assert len(notes) == 1
    assert text in notes[0]
    assert 'iifname "eth1" tcp dport' in rules


def test_without_a_bus_only_the_files_count(config_dir: Path, capsys: Capture) -> None:
    rules, notes = ruleset(config_dir, "[helpers.foo]\n", capsys)
    assert "udp dport 7 counter" in rules
    assert len(notes) == 1
    assert "no message bus at" in notes[0]
    assert notes[0].endswith("omitted: firewalld's zones")
    rules, notes = ruleset(config_dir, "[firewalld]\nfollow = false\n[helpers.foo]\n", capsys)
    assert not notes


def test_a_provider_that_is_not_running_is_none(beside: Callable[..., None]) -> None:
    beside(devices=Devices((OFFICE,)))
    manager = providers.query_networkmanager()
    assert manager == providers.NetworkManager((OFFICE,), {"u-1": "Office"})
    assert providers.query_firewalld() is None
