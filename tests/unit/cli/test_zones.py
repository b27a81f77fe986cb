"""`zones` and `firewalld-files`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fwhelpers.cli import zones
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


def say(
    snapshot: Snapshot | None, folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str
) -> int:
    monkeypatch.setattr(zones, "ask", lambda: snapshot)
    return main(["zones", "--config", str(folder), *more])


def test_zones_their_helpers_and_why(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(replace(SNAPSHOT, denied="no"), config_dir, monkeypatch) == 0
    assert capsys.readouterr().out.splitlines() == [
        "public (nothing bound, default)",
        "  no helper",
        "home (lan, ipset:x)",
        "  foo  home → this host  7/udp  service fw-foo",
        "everywhere that the configuration says",
        "  foo  config: [helpers.foo] without limits",
        "note: firewalld is in panic mode and drops everything",
        "note: not everything may be read (no); try as root",
        "note: home: source ipset:x is not followed (use addresses, networks or MACs)",
    ]


def test_references_are_told_with_what_they_mean(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = '"eth0", "connection:Office", "type:wifi"'
    (config_dir / "fwhelpers.toml").write_text(f"[helpers.foo]\ninterfaces = [{names}]\n")
    office = Device("eth7", "ethernet", frozenset({"Office"}))
    monkeypatch.setattr(zones, "ask_links", lambda: zones.Links((office,), {}))
    assert say(SNAPSHOT, config_dir, monkeypatch) == 0
    shown = "interfaces eth0, connection:Office (eth7), type:wifi (none now)"
    assert f"  foo  config: [helpers.foo] {shown}" in capsys.readouterr().out.splitlines()
    monkeypatch.setattr(zones, "ask_links", lambda: None)
    assert say(SNAPSHOT, config_dir, monkeypatch) == 0
    told = capsys.readouterr().out
    assert "connection:Office (none now)" in told
    assert told.endswith("note: NetworkManager does not run\n")


def test_json(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (config_dir / "fwhelpers.toml").write_text("[firewalld]\nfollow = false\n")
    assert say(SNAPSHOT, config_dir, monkeypatch, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["follow"] is False
    assert told["zones"][1]["helpers"] == [
        {
            "helper": "foo", "path": "input", "from": "home", "to": "this host",
            "ports": ["7/udp"], "sources": [], "destinations": [], "why": "service fw-foo",
        }
    ]  # fmt: skip
    assert told["config"] == []


def test_no_firewalld(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert say(None, config_dir, monkeypatch) == 1
    assert "error: firewalld does not run\nhint: start it" in capsys.readouterr().err


def test_no_bus(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={config_dir}/none")
    assert main(["zones", "--config", str(config_dir)]) == 1
    err = capsys.readouterr().err
    assert "fwhelpers: error: there is no system bus" in err
    assert "Traceback" not in err


def test_files_for_a_helper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["firewalld-files", "--helper", "foo", str(tmp_path)]) == 0
    assert {str(f.relative_to(tmp_path)) for f in tmp_path.rglob("*") if f.is_file()} == {
        "helpers/fw-foo.xml", "services/fw-foo.xml", "services/fw-foo-client.xml", "modprobe.conf",
    }  # fmt: skip
    assert main(["firewalld-files", "--helper", "fo", str(tmp_path)]) == 1
    assert "hint: did you mean foo?" in capsys.readouterr().err
