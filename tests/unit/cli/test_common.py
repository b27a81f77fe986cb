"""Functions shared by the subcommands."""

from __future__ import annotations

from pathlib import Path

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
