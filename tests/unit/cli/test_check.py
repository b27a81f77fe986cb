"""`check`: a failing section does not hide the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fwhelpers.cli import check
from fwhelpers.cli.check import Row
from fwhelpers.cli.main import main
from fwhelpers.plugin import manager as plugins
from fwhelpers.plugin.manager import Plugins


@pytest.fixture(autouse=True)
def system(monkeypatch: pytest.MonkeyPatch, installed: Plugins) -> SimpleNamespace:
    """A system that passes all checks; tests break a part of it."""
    state = SimpleNamespace(
        kernel=[Row("kernel", "queue", True, "nft queue")],
        system=[Row("system", "libnftables", True)],
        registered={"foo", "bar"},
        loaded=[],
    )
    good = Plugins(installed.helpers, installed.plugins[:1])

    def kernel() -> Iterator[Row]:
        yield from state.kernel

    def installed() -> Iterator[Row]:
        yield from state.system

    class Nft:
        def check(self, text: str) -> None:
            state.loaded.append(text)

        def close(self) -> None:
            pass

    monkeypatch.setattr(plugins, "load", lambda blocked=(): good)
    monkeypatch.setattr(check, "_kernel", kernel)
    monkeypatch.setattr(check, "_system", installed)
    monkeypatch.setattr(check, "_registered", lambda ready: state.registered)
    monkeypatch.setattr("fwhelpers.kernel.nft.Nft", Nft)
    monkeypatch.setattr("fwhelpers.cli.check_helpers.acting", lambda ready: iter(()))
    monkeypatch.setattr("fwhelpers.cli.check_firewalls.firewalld", lambda ready: iter(()))
    monkeypatch.setattr("fwhelpers.cli.check_firewalls.ufw", lambda ready: iter(()))
    monkeypatch.setattr("fwhelpers.cli.check_firewalls.rulesets", lambda files: iter(()))
    monkeypatch.setattr("fwhelpers.cli.check_gateways.synchronisation", lambda **_: iter(()))
    return state


def report(folder: Path) -> list[tuple[str, str, bool]]:
    return [(row.section, row.name, row.ok) for row in check.report(folder)]


def test_all_checks_pass(
    config_dir: Path, capsys: pytest.CaptureFixture[str], system: SimpleNamespace
) -> None:
    assert main(["check", "--config", str(config_dir)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == [
        "", "system", "  ok    libnftables",
        "", "kernel", "  ok    queue: nft queue",
        "", "plugins", "  ok    foo (foo-dist 1.0): foo, bar",
        "", "config", f"  ok    {config_dir}: enabled: foo (udp 7)",
        "", "ruleset", "  ok    dry run: accepted by the kernel",
        "", "all 5 checks passed",
    ]  # fmt: skip
    assert "table inet fwhelpers_check {" in system.loaded[0]
    assert "table inet fwhelpers {" not in system.loaded[0]
    assert 'ct helper set "foo-udp"' in system.loaded[0]


def test_unregistered_helpers_are_omitted(config_dir: Path, system: SimpleNamespace) -> None:
    system.registered = {"bar"}
    *_, last = check.report(config_dir)
    assert last.ok
    assert last.detail.endswith("omitted because not registered yet: foo")
    assert "ct helper" not in system.loaded[0]


def test_a_failing_section_does_not_hide_others(
    config_dir: Path, system: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.kernel = [Row("kernel", "queue", False, "no nft queue", "load nft_queue")]

    def registered(ready: Any) -> Any:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(check, "_registered", registered)
    rows = list(check.report(config_dir))
    assert [(row.section, row.ok) for row in rows] == [
        ("system", True), ("kernel", False), ("plugins", True), ("config", True), ("ruleset", False),
    ]  # fmt: skip
    assert rows[-1].hint == "run as root, or with CAP_NET_ADMIN"


def test_an_invalid_configuration_is_reported_with_hints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fwhelpers.toml"
    file.write_text("[daemon]\nqeues = 1")
    assert main(["check", "--config", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert f"  FAIL  {file}: daemon.qeues: unknown key\n        hint: did you mean queues?" in out
    assert "  FAIL  dry run: skipped because the configuration is invalid" in out
    assert "2 of 5 checks failed" in out


def test_a_broken_plugin_is_reported(
    config_dir: Path, monkeypatch: pytest.MonkeyPatch, installed: Plugins
) -> None:
    monkeypatch.setattr(plugins, "load", lambda blocked=(): installed)
    rows = [row for row in check.report(config_dir) if row.section == "plugins"]
    assert [(row.name, row.ok) for row in rows] == [
        ("foo (foo-dist 1.0)", True), ("bad (bad-dist 2.0)", False),
    ]  # fmt: skip
    assert rows[1].hint == 'repair it, or set block_plugins = ["bad"]'


def test_json(config_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json", "--config", str(config_dir)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert document["report"][1] == {
        "section": "kernel", "name": "queue", "ok": True, "detail": "nft queue", "hint": "",
    }  # fmt: skip
