"""`list`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fwhelpers.api import KernelHelper
from fwhelpers.cli import list_helpers
from fwhelpers.cli.main import main
from fwhelpers.plugin.manager import Plugins, load

pytestmark = pytest.mark.usefixtures("installed")

Capture = pytest.CaptureFixture[str]
BUILT_IN = load().helpers


def test_list(config_dir: Path, capsys: Capture) -> None:
    assert main(["list", "--config", str(config_dir)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "HELPER  ENABLED  BACKEND  L4       PORTS  IP   OPENS       DESCRIPTION",
        "foo     yes      user     udp      7      4,6  data:1/60s  the foo protocol (RFC 1)",
        "bar     no       user     tcp,udp  8,9    4,6  data:1/60s",
        "",
        "PLUGIN  FROM          STATE   HELPERS",
        "foo     foo-dist 1.0  loaded  foo, bar",
        "bad     bad-dist 2.0  broken  -",
        "",
        "problem: plugin bad (bad-dist 2.0): cannot be imported: OSError: no",
    ]


def test_list_as_json(config_dir: Path, capsys: Capture) -> None:
    assert main(["list", "--json", "--config", str(config_dir)]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(h["name"], h["enabled"]) for h in listed["helpers"]] == [("foo", True), ("bar", False)]
    assert [p["state"] for p in listed["plugins"]] == ["loaded", "broken"]
    assert len(listed["problems"]) == 1


def test_list_works_with_an_invalid_configuration(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "fwhelpers.toml").write_text("[daemon]\nx = 1\n[helpers.bar]\n")
    assert main(["list", "--config", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "bar     yes" in out
    assert (
        err == "fwhelpers: warning: the configuration has an error; `fwhelpers check` lists them\n"
    )


def test_list_works_without_a_configuration(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fwhelpers.config.files.DIRECTORY", tmp_path / "none")
    assert main(["list", "--config", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().err == ""


def test_list_shows_the_configurations_own_rows(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "fwhelpers.toml").write_text(
        '[discovery.disks]\nport = 7000\nbroadcast = true\nsignature = ["0:44"]\ndoc = "disks"\n'
    )
    assert main(["list", "--config", str(tmp_path)]) == 0
    assert (
        "disks   yes      user     udp      7000   4    answer:8/5s  disks"
        in capsys.readouterr().out
    )


def test_one_helper_in_detail(config_dir: Path, capsys: Capture) -> None:
    assert main(["list", "foo", "--config", str(config_dir)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "foo: enabled",
        "  description    the foo protocol",
        "  specification  RFC 1",
        "  kernel name    foo",
        "  control        udp port 7, IPv4 and IPv6",
        "  backend        user",
        "  opens          data: at most 1 for each control connection, 60 s, ports from 1024",
        "  setting        loose = false: be lax",
    ]


def test_one_helper_as_json(config_dir: Path, capsys: Capture) -> None:
    assert main(["list", "bar", "--json", "--config", str(config_dir)]) == 0
    details = json.loads(capsys.readouterr().out)
    assert (details["name"], details["enabled"], details["l4"], details["families"]) == (
        "bar",
        False,
        ["tcp", "udp"],
        [4, 6],
    )
    assert details["policies"] == [
        {"name": "data", "max": 1, "timeout": 60, "min_port": 1024, "ports": []}
    ]


def test_the_kernels_helper(tmp_path: Path, capsys: Capture, installed: Plugins) -> None:
    kernel = [KernelHelper("x", "udp", "nf_conntrack_x")]
    helper = replace(installed.helpers["foo"], kernel=kernel)
    assert isinstance(installed.helpers, dict)
    installed.helpers["foo"] = helper
    try:
        (tmp_path / "fwhelpers.toml").write_text('[helpers.foo]\nbackend = "kernel"\n')
        assert main(["list", "--config", str(tmp_path)]) == 0
        assert "foo     yes      kernel   udp " in capsys.readouterr().out
        assert main(["list", "foo", "--config", str(tmp_path)]) == 0
        assert "  backend        kernel; the kernel has x\n" in capsys.readouterr().out
    finally:
        installed.helpers["foo"] = replace(helper, kernel=())


def test_an_unknown_helper_gets_a_suggestion(config_dir: Path, capsys: Capture) -> None:
    for name, hint in (("nosuch", "installed helpers: bar, foo"), ("fooo", "did you mean foo?")):
        assert main(["list", name, "--config", str(config_dir)]) == 1
        error = f"fwhelpers: error: no such helper: {name}\nhint: {hint}\n"
        assert capsys.readouterr().err == error


def test_requests_to_groups_in_detail(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "fwhelpers.toml").write_text(
        '[discovery.disks]\nport = 7000\nbroadcast = true\ngroups = ["239.1.2.3"]\nsignature = ["0:44"]\n'
    )
    assert main(["list", "disks", "--config", str(tmp_path)]) == 0
    assert (
        "udp port 7000, IPv4; requests from this host to 239.1.2.3, broadcast"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_helper_has_a_description(name: str) -> None:
    helper = BUILT_IN[name]
    details = list_helpers.as_dict(helper, {name: "user"})
    assert details["doc"]
    assert details["policies"]
    assert json.dumps(details)
    assert "\n".join(list_helpers._details(helper, {name: "user"})).startswith(
        f"{name}: enabled\n  desc"
    )
