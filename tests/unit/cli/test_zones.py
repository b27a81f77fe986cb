"""`zones` and `firewalld-files`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fwhelpers.cli import providers
from fwhelpers.cli.main import main
from fwhelpers.firewalld.model import FirewalldHelper, Service, Snapshot, Zone
from fwhelpers.networkmanager.references import Device

pytestmark = pytest.mark.usefixtures("installed")

SNAPSHOT = Snapshot(
    "public",
    {
        "public": Zone("public"),
        "home": Zone("home", ("lan",), ("ipset:x",), ("fw-foo",)),
    },
    services={"fw-foo": Service("fw-foo", (("7", "udp"),), ("fw-foo",))},
    helpers={"fw-foo": FirewalldHelper("fw-foo", "nf_conntrack_foo", (("7", "udp"),))},
    ipsets={"x": ("10.0.0.0/8,eth0",)},
    panic=True,
)


def run_zones(
    snapshot: Snapshot | None, folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str
) -> int:
    firewalld = providers.Firewalld(snapshot, "nftables", frozenset()) if snapshot else None
    monkeypatch.setattr(providers, "query_firewalld", lambda: firewalld)
    return main(["zones", "--config", str(folder), *options])


def test_zones_are_listed_with_helpers_and_reasons(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_zones(replace(SNAPSHOT, denied="no"), config_dir, monkeypatch) == 0
    assert capsys.readouterr().out.splitlines() == [
        "public (no interface or source, default)",
        "  no helper",
        "home (lan, ipset:x)",
        "  foo  user  home → this host  7/udp  service fw-foo",
        "enabled by the configuration",
        "  foo  user  config: [helpers.foo] without limits",
        "note: firewalld is in panic mode and drops everything",
        "note: firewalld denied part of the query (no); try as root",
        "note: home: source ipset:x is not supported (use addresses, networks or MACs, and an ipset without a timeout)",
    ]


def test_references_are_shown_with_their_interfaces(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = '"eth0", "profile:Office", "type:wifi"'
    (config_dir / "fwhelpers.toml").write_text(f"[helpers.foo]\ninterfaces = [{names}]\n")
    office = Device("eth7", "ethernet", frozenset({"Office"}))
    manager = providers.NetworkManager((office,), {})
    monkeypatch.setattr(providers, "query_networkmanager", lambda: manager)
    assert run_zones(SNAPSHOT, config_dir, monkeypatch) == 0
    limits = "interfaces eth0, profile:Office (eth7), type:wifi (none now)"
    assert f"  foo  user  config: [helpers.foo] {limits}" in capsys.readouterr().out.splitlines()
    monkeypatch.setattr(providers, "query_networkmanager", lambda: None)
    assert run_zones(SNAPSHOT, config_dir, monkeypatch) == 0
    out = capsys.readouterr().out
    assert "profile:Office (none now)" in out
    assert out.endswith("note: NetworkManager is not running\n")


def test_json_output(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (config_dir / "fwhelpers.toml").write_text("[firewalld]\nfollow = false\n")
    assert run_zones(SNAPSHOT, config_dir, monkeypatch, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["follow"] is False
    assert report["zones"][1]["helpers"] == [
        {
            "helper": "foo", "backend": "user", "path": "input", "from": "home", "to": "this host",
            "ports": ["7/udp"], "sources": [], "destinations": [], "reason": "service fw-foo",
        }
    ]  # fmt: skip
    assert report["config"] == []


def test_firewalld_is_not_running(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_zones(None, config_dir, monkeypatch) == 1
    assert "error: firewalld is not running\nhint: start it" in capsys.readouterr().err


def test_a_missing_bus_is_reported_without_a_traceback(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={config_dir}/none")
    assert main(["zones", "--config", str(config_dir)]) == 1
    err = capsys.readouterr().err
    assert "fwhelpers: error: no message bus at" in err
    assert "Traceback" not in err


def test_files_for_a_helper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["firewalld-files", "--helper", "foo", str(tmp_path)]) == 0
    assert {str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file()} == {
        "helpers/fw-foo.xml", "services/fw-foo.xml", "services/fw-foo-client.xml", "modprobe.conf",
    }  # fmt: skip
    assert main(["firewalld-files", "--helper", "fo", str(tmp_path)]) == 1
    assert "hint: did you mean foo?" in capsys.readouterr().err
