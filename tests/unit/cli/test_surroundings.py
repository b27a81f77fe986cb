"""The part of `check` that looks at other firewalls."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwhelpers.cli import surroundings, zones
from fwhelpers.cli.common import read, setup
from fwhelpers.connections import Device
from fwhelpers.daemon import dbus_client
from fwhelpers.zones.mistakes import Mistake
from fwhelpers.zones.model import Snapshot, Zone

pytestmark = pytest.mark.usefixtures("installed")


def found(folder: Path) -> list[Mistake | str]:
    return list(surroundings.firewalld(setup(folder)))


def test_no_bus_is_no_mistake(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbus_client, "available", lambda: "there is no system bus")
    assert found(config_dir) == ["there is no system bus: nothing to follow"]


def test_a_missing_library_is_one(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbus_client, "available", lambda: dbus_client.LIBRARY)
    (one,) = found(config_dir)
    assert isinstance(one, Mistake)
    assert "python3-dbus-fast" in one.what


def test_firewalld_is_there_or_not(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbus_client, "available", lambda: "")
    monkeypatch.setattr(zones, "ask_all", lambda: None)
    assert found(config_dir) == ["firewalld does not run, so nothing is followed"]
    snapshot = Snapshot("public", {"public": Zone("public")}, version="1.3.3")
    asked = zones.Asked(snapshot, "iptables", frozenset({"fw-foo", "fw-bar"}))
    monkeypatch.setattr(zones, "ask_all", lambda: asked)
    well, wrong = found(config_dir)
    assert well == "firewalld 1.3.3: by its zones act no helpers"
    assert isinstance(wrong, Mistake)
    assert wrong.where == "backend"


class _Rules:
    def objects(self, what: str) -> list[dict[str, object]]:
        assert what == "ruleset"
        return [{"table": {"family": "inet", "name": "x"}}]

    def close(self) -> None:
        pass


def test_automatic_helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fwhelpers.kernel.nft.Nft", _Rules)
    monkeypatch.setattr(surroundings, "AUTOMATIC", tmp_path / "sysctl")
    assert list(surroundings.rulesets()) == ["1 tables"]
    (tmp_path / "sysctl").write_text("1\n")
    *_, wrong = surroundings.rulesets()
    assert isinstance(wrong, Mistake)
    assert "nf_conntrack_helper=0" in wrong.hint


DEVICES = (
    Device("eth7", "ethernet", frozenset({"Office", "u-1"})),
    Device("tun0", "tun"),
)
LINKS = zones.Links(DEVICES, {"u-1": "Office", "u-2": "Home"})


def named(folder: Path, *names: str) -> list[Mistake | str]:
    listed = ", ".join(f'"{name}"' for name in names)
    (folder / "fwhelpers.toml").write_text(f"[helpers.foo]\ninterfaces = [{listed}]\n")
    return list(surroundings.networkmanager(read(folder)))


def test_references_and_what_they_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbus_client, "available", lambda: "")
    monkeypatch.setattr(zones, "ask_links", lambda: LINKS)
    assert named(tmp_path, "eth0") == []
    assert named(tmp_path, "connection:Office", "connection:u-2", "type:vpn", "type:wifi") == [
        "connection:Office (eth7)", "connection:u-2 (none now)", "type:vpn (tun0)",
        "type:wifi (none now)",
    ]  # fmt: skip
    assert named(tmp_path, "connection:Ofice", "type:wify") == [
        Mistake(
            "connection:Ofice", "NetworkManager has no such connection", "did you mean Office?"
        ),
        Mistake("type:wify", "NetworkManager has no such type", "did you mean wifi?"),
    ]


def test_references_without_networkmanager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "ask_links", lambda: None)
    monkeypatch.setattr(dbus_client, "available", lambda: "")
    (one,) = named(tmp_path, "connection:Office", "type:wifi")
    assert isinstance(one, Mistake)
    assert one.where == "connection:Office, type:wifi"
    assert one.what == "no interface: it does not run"
    monkeypatch.setattr(dbus_client, "available", lambda: "there is no system bus")
    (one,) = named(tmp_path, "type:wifi")
    assert isinstance(one, Mistake)
    assert one.what == "no interface: there is no system bus"
