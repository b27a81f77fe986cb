"""Functions shared by the subcommands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fwhelpers.cli import common
from fwhelpers.config import ConfigError
from fwhelpers.plugin.manager import Plugins


def test_setup_joins_configuration_and_plugins(installed: Plugins, config_dir: Path) -> None:
    setup = common.setup(config_dir)
    assert setup.plugins is installed
    assert list(setup.enabled) == ["foo"]


@pytest.mark.usefixtures("installed")
def test_setup_explains_a_missing_helper(tmp_path: Path) -> None:
    (tmp_path / "fwhelpers.toml").write_text("[helpers.bad]")
    with pytest.raises(ConfigError, match=r"no such helper \(plugin bad \(bad-dist 2\.0\): cannot"):
        common.setup(tmp_path)


def test_table_has_even_columns_and_no_trailing_space() -> None:
    assert common.table([("A", "BB", "C"), ("aaa", "b", "")]) == "A    BB  C\naaa  b"


def test_warnings_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    common.warn("\x1b[2J\nb")
    assert capsys.readouterr().err == "fwhelpers: \\x1b[2J\nb\n"


def test_warnings_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    common.warn("x")
    assert capsys.readouterr() == ("", "fwhelpers: x\n")


HOSTILE = "a\x1b[2J\x07\x9b2J\u202e\u2028\x7f\n\r\0\udc80é→\U000e0041"


@pytest.mark.parametrize("print_it", [common.print_json, common.print_line])
def test_json_cannot_control_the_terminal(
    print_it: Callable[[Any], None], capsys: pytest.CaptureFixture[str]
) -> None:
    value = {"key": HOSTILE, HOSTILE: [HOSTILE]}
    print_it(value)
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.split("\n"))
    assert json.loads(out) == value
    assert "é→" in out


def test_tables_and_lines_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    common.print_lines([common.table([("A", "B"), (HOSTILE, HOSTILE)]), HOSTILE.replace("\n", "")])
    lines = capsys.readouterr().out.split("\n")
    assert (len(lines), lines[-1]) == (4, "")
    assert all(line.isprintable() for line in lines)
