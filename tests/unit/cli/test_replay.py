"""`replay`: the command around `fwhelpers.testing.replay`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fwhelpers import config
from fwhelpers.api import Helper
from fwhelpers.cli import replay
from fwhelpers.cli.main import main
from fwhelpers.engine.guard import Limits, Prefix

pytestmark = pytest.mark.usefixtures("installed")

MASTER = {"l4": "tcp", "src": "10.0.0.1", "sport": 1025, "dst": "10.0.0.2", "dport": 21}
EXPECTED = {"l4": "tcp", "src": "fd00::1", "sport": None, "dst": "10.0.0.2", "dport": 4000}
ESP = {**EXPECTED, "l4": "esp", "dport": None}
ITEM = {
    "helper": "foo", "master": MASTER, "expected": EXPECTED, "trigger": 5, "data": None,
    "refused": None,
}  # fmt: skip


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> SimpleNamespace:
    """What the engine was asked, and what it answers."""
    state = SimpleNamespace(items=[ITEM], file=tmp_path / "x.pcap", error=None)
    state.file.touch()

    def replay_file(
        file: Path,
        helpers: Mapping[str, Helper],
        settings: Mapping[str, Mapping[str, Any]],
        limits: Mapping[str, Limits],
        links: Sequence[Prefix],
    ) -> Iterator[dict[str, Any]]:
        state.helpers, state.settings, state.limits, state.links = helpers, settings, limits, links
        yield from state.items
        if state.error:
            raise state.error

    module = ModuleType("fwhelpers.testing.replay")
    module.__dict__["replay_file"] = replay_file
    monkeypatch.setitem(sys.modules, "fwhelpers.testing.replay", module)
    return state


def run(engine: SimpleNamespace, *arguments: str) -> int:
    return main(["replay", str(engine.file), *arguments])


@pytest.mark.parametrize(
    ("changes", "expected_text"),
    [
        ({}, "expects tcp [fd00::1]:* → 10.0.0.2:4000, no match"),
        ({"data": 9}, "expects tcp [fd00::1]:* → 10.0.0.2:4000, matched by frame 9"),
        ({"refused": "too low"}, "refused tcp [fd00::1]:* → 10.0.0.2:4000: too low"),
        ({"expected": ESP}, "expects esp fd00::1 → 10.0.0.2, no match"),
    ],
)
def test_text(changes: dict[str, Any], expected_text: str) -> None:
    line = replay.describe({**ITEM, **changes})
    assert line == f"foo: tcp 10.0.0.1:1025 → 10.0.0.2:21: frame 5: {expected_text}"


def test_json_is_an_object_a_line(
    engine: SimpleNamespace, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.items = [ITEM, ITEM]
    monkeypatch.setattr(config, "DIRECTORY", tmp_path / "none")  # a look needs no configuration
    assert run(engine, "--json", "--config", str(config.DIRECTORY)) == 0
    assert list(engine.helpers) == ["foo", "bar"]
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [ITEM, ITEM]


def test_the_configured_helpers_are_run(engine: SimpleNamespace, config_dir: Path) -> None:
    (config_dir / "fwhelpers.toml").write_text("[helpers.foo]\nports = [70]\nloose = true")
    assert run(engine, "--config", str(config_dir)) == 0
    assert {name: list(h.ports) for name, h in engine.helpers.items()} == {"foo": [70]}
    assert engine.settings == {"foo": {"loose": True, "destinations": ()}}


def test_another_helper_can_be_named(engine: SimpleNamespace, config_dir: Path) -> None:
    assert run(engine, "--config", str(config_dir), "--helper", "bar", "--port", "99") == 0
    assert {name: list(h.ports) for name, h in engine.helpers.items()} == {"bar": [99]}


@pytest.mark.parametrize(
    ("arguments", "status", "expected_text"),
    [
        (["--helper", "fo"], 1, "no such helper: fo\nhint: did you mean foo?"),
        (
            ["--port", "1", "--helper", "foo", "--helper", "bar"],
            2,
            "--port requires exactly one --helper",
        ),
    ],
)
def test_mistakes(
    engine: SimpleNamespace,
    config_dir: Path,
    arguments: list[str],
    status: int,
    expected_text: str,
    capsys: Any,
) -> None:
    assert run(engine, "--config", str(config_dir), *arguments) == status
    assert capsys.readouterr().err.startswith(f"fwhelpers: error: {expected_text}")


def test_a_missing_file(engine: SimpleNamespace, capsys: Any) -> None:
    engine.file.unlink()
    assert run(engine) == 1
    assert "no such file\nhint: " in capsys.readouterr().err


def test_a_file_that_is_no_capture(engine: SimpleNamespace, config_dir: Path, capsys: Any) -> None:
    engine.error = ValueError("not a capture")
    assert run(engine, "--config", str(config_dir)) == 1
    out, err = capsys.readouterr()
    assert f"fwhelpers: error: {engine.file}: not a capture\n" in err
    assert "frame 5" in out


def test_nothing_found_is_said(engine: SimpleNamespace, config_dir: Path, capsys: Any) -> None:
    engine.items = []
    assert run(engine, "--config", str(config_dir)) == 0
    assert capsys.readouterr() == ("", "fwhelpers: foo: no expectation from this capture\n")


def test_the_limits_of_the_configuration_apply(config_dir: Path, engine: SimpleNamespace) -> None:
    (config_dir / "fwhelpers.toml").write_text("[helpers.foo.guard]\nmax_per_source = 7\n")
    assert run(engine, "--helper", "foo", "--config", str(config_dir)) == 0
    assert engine.limits["foo"].max_per_source == 7


def test_links_are_prefixes(config_dir: Path, engine: SimpleNamespace) -> None:
    arguments = ["--link", "10.0.0.0/16", "--link", "fd00::/48", "--config", str(config_dir)]
    assert run(engine, *arguments) == 0
    assert engine.links == [Prefix(bytes([10, 0, 0, 0]), 16), Prefix(b"\xfd" + bytes(15), 48)]


def test_a_link_with_host_bits_is_an_error(
    config_dir: Path, engine: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(engine, "--link", "10.0.0.1/16", "--config", str(config_dir)) == 2
    assert "10.0.0.1/16 has host bits set" in capsys.readouterr().err
