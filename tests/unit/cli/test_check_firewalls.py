"""The part of `check` that looks at other firewalls."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwhelpers.cli import check_firewalls, zones
from fwhelpers.cli.common import read, setup
from fwhelpers.dbus import client
from fwhelpers.firewalld.diagnostics import Diagnostic
from fwhelpers.firewalld.model import Snapshot, Zone
from fwhelpers.networkmanager.references import Device

pytestmark = pytest.mark.usefixtures("installed")


def found(folder: Path) -> list[Diagnostic | str]:
    return list(check_firewalls.firewalld(setup(folder)))


def test_no_bus_is_no_mistake(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "available", lambda: "there is no system bus")
    assert found(config_dir) == ["there is no system bus: nothing to follow"]


def test_a_missing_library_is_one(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "available", lambda: client.LIBRARY)
    (one,) = found(config_dir)
    assert isinstance(one, Diagnostic)
    assert "python3-dbus-fast" in one.what


def test_firewalld_is_there_or_not(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "available", lambda: "")
    monkeypatch.setattr(zones, "ask_all", lambda: None)
    assert found(config_dir) == ["firewalld does not run, so nothing is followed"]
    snapshot = Snapshot("public", {"public": Zone("public")}, version="1.3.3")
    asked = zones.Asked(snapshot, "iptables", frozenset({"fw-foo", "fw-bar"}))
    monkeypatch.setattr(zones, "ask_all", lambda: asked)
    well, wrong = found(config_dir)
    assert well == "firewalld 1.3.3: by its zones act no helpers"
    assert isinstance(wrong, Diagnostic)
    assert wrong.where == "backend"


class _Rules:
    def objects(self, what: str) -> list[dict[str, object]]:
        assert what == "ruleset"
        return [{"table": {"family": "inet", "name": "x"}}]

    def close(self) -> None:
        pass


def test_automatic_helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fwhelpers.kernel.nft.Nft", _Rules)
    monkeypatch.setattr(check_firewalls, "AUTOMATIC", tmp_path / "sysctl")
    assert list(check_firewalls.rulesets()) == ["1 tables"]
    (tmp_path / "sysctl").write_text("1\n")
    *_, wrong = check_firewalls.rulesets()
    assert isinstance(wrong, Diagnostic)
    assert "nf_conntrack_helper=0" in wrong.hint


DEVICES = (
    Device("eth7", "ethernet", frozenset({"Office", "u-1"})),
    Device("tun0", "tun"),
)
LINKS = zones.Links(DEVICES, {"u-1": "Office", "u-2": "Home"})


def named(folder: Path, *names: str) -> list[Diagnostic | str]:
    listed = ", ".join(f'"{name}"' for name in names)
    (folder / "fwhelpers.toml").write_text(f"[helpers.foo]\ninterfaces = [{listed}]\n")
    return list(check_firewalls.networkmanager(read(folder)))


def test_references_and_what_they_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "available", lambda: "")
    monkeypatch.setattr(zones, "ask_links", lambda: LINKS)
    assert named(tmp_path, "eth0") == []
    assert named(tmp_path, "connection:Office", "connection:u-2", "type:vpn", "type:wifi") == [
        "connection:Office (eth7)", "connection:u-2 (none now)", "type:vpn (tun0)",
        "type:wifi (none now)",
    ]  # fmt: skip
    assert named(tmp_path, "connection:Ofice", "type:wify") == [
        Diagnostic(
            "connection:Ofice", "NetworkManager has no such connection", "did you mean Office?"
        ),
        Diagnostic("type:wify", "NetworkManager has no such type", "did you mean wifi?"),
    ]


def test_references_without_networkmanager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zones, "ask_links", lambda: None)
    monkeypatch.setattr(client, "available", lambda: "")
    (one,) = named(tmp_path, "connection:Office", "type:wifi")
    assert isinstance(one, Diagnostic)
    assert one.where == "connection:Office, type:wifi"
    assert one.what == "no interface: it does not run"
    monkeypatch.setattr(client, "available", lambda: "there is no system bus")
    (one,) = named(tmp_path, "type:wifi")
    assert isinstance(one, Diagnostic)
    assert one.what == "no interface: there is no system bus"
