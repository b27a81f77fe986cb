"""The part of `check` that examines other firewalls."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwhelpers.cli import check_firewalls, providers
from fwhelpers.cli.common import read, setup
from fwhelpers.dbus import address
from fwhelpers.dbus.errors import MissingLibrary, NoBus
from fwhelpers.firewalld.diagnostics import Diagnostic
from fwhelpers.firewalld.model import Snapshot, Zone
from fwhelpers.networkmanager.references import Device

pytestmark = pytest.mark.usefixtures("installed")


def diagnose(folder: Path) -> list[Diagnostic | str]:
    return list(check_firewalls.firewalld(setup(folder)))


def test_a_missing_bus_is_no_mistake(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "unavailable", lambda: NoBus("no bus"))
    assert diagnose(config_dir) == ["no bus; firewalld is not followed"]


def test_a_missing_library_is_a_mistake(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "unavailable", MissingLibrary)
    (diagnostic,) = diagnose(config_dir)
    assert isinstance(diagnostic, Diagnostic)
    assert "python3-dbus-fast" in diagnostic.problem


def test_firewalld_may_be_running_or_not(config_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "unavailable", lambda: None)
    monkeypatch.setattr(providers, "query_firewalld", lambda: None)
    assert diagnose(config_dir) == ["firewalld is not running"]
    snapshot = Snapshot("public", {"public": Zone("public")}, version="1.3.3")
    running = providers.Firewalld(snapshot, "iptables", frozenset({"fw-foo", "fw-bar"}))
    monkeypatch.setattr(providers, "query_firewalld", lambda: running)
    state, diagnostic = diagnose(config_dir)
    assert state == "firewalld 1.3.3: its zones enable no helpers"
    assert isinstance(diagnostic, Diagnostic)
    assert diagnostic.where == "backend"


class _Rules:
    def objects(self, kind: str) -> list[dict[str, object]]:
        assert kind == "ruleset"
        return [{"table": {"family": "inet", "name": "x"}}]

    def close(self) -> None:
        pass


def test_automatic_helpers_of_old_kernels_are_reported(
    config_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fwhelpers.kernel.nft.Nft", _Rules)
    monkeypatch.setattr(check_firewalls, "AUTOMATIC", tmp_path / "sysctl")
    assert list(check_firewalls.rulesets(read(config_dir))) == ["1 tables"]
    (tmp_path / "sysctl").write_text("1\n")
    *_, diagnostic = check_firewalls.rulesets(read(config_dir))
    assert isinstance(diagnostic, Diagnostic)
    assert "nf_conntrack_helper=0" in diagnostic.hint


DEVICES = (
    Device("eth7", "ethernet", frozenset({"Office", "u-1"})),
    Device("tun0", "tun"),
)
MANAGER = providers.NetworkManager(DEVICES, {"u-1": "Office", "u-2": "Home"})


def diagnose_references(folder: Path, *names: str) -> list[Diagnostic | str]:
    listed = ", ".join(f'"{name}"' for name in names)
    (folder / "fwhelpers.toml").write_text(f"[helpers.foo]\ninterfaces = [{listed}]\n")
    return list(check_firewalls.networkmanager(read(folder)))


def test_references_are_shown_with_their_interfaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "unavailable", lambda: None)
    monkeypatch.setattr(providers, "query_networkmanager", lambda: MANAGER)
    assert diagnose_references(tmp_path, "eth0") == []
    assert diagnose_references(tmp_path, "profile:Office", "profile:u-2", "type:vpn", "type:wifi") == [
        "profile:Office (eth7)", "profile:u-2 (none now)", "type:vpn (tun0)",
        "type:wifi (none now)",
    ]  # fmt: skip
    assert diagnose_references(tmp_path, "profile:Ofice", "type:wify") == [
        Diagnostic("profile:Ofice", "NetworkManager has no such profile", "did you mean Office?"),
        Diagnostic("type:wify", "NetworkManager has no such device type", "did you mean wifi?"),
    ]


def test_references_without_networkmanager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "query_networkmanager", lambda: None)
    monkeypatch.setattr(address, "unavailable", lambda: None)
    (diagnostic,) = diagnose_references(tmp_path, "profile:Office", "type:wifi")
    assert isinstance(diagnostic, Diagnostic)
    assert diagnostic.where == "profile:Office, type:wifi"
    assert diagnostic.problem == "no interface: NetworkManager is not running"
    assert "systemctl start" in diagnostic.hint
    monkeypatch.setattr(address, "unavailable", lambda: NoBus("no bus"))
    (diagnostic,) = diagnose_references(tmp_path, "type:wifi")
    assert isinstance(diagnostic, Diagnostic)
    assert diagnostic.problem == "no interface: no bus"
    assert "systemctl start" not in diagnostic.hint, "NetworkManager may well be running"
