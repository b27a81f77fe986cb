"""The part of `check` that looks at other firewalls."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwhelpers.cli import surroundings, zones
from fwhelpers.cli.common import setup
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
