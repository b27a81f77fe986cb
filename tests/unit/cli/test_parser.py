"""The command line: every command explains itself."""

from __future__ import annotations

import argparse

import pytest

from fwhelpers import config
from fwhelpers.cli import parser


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (sub,) = (a for a in parser.build()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(sub.choices)


COMMANDS = subcommands()


def test_the_commands() -> None:
    assert list(COMMANDS) == [
        "run", "check", "status", "expectations", "enable", "disable", "reload", "list", "ruleset",
        "counters", "monitor", "replay", "register", "release", "unregister", "zones",
        "firewalld-files", "import-conntrackd", "completion",
    ]  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains(name: str) -> None:
    command = COMMANDS[name]
    assert command.description
    for action in command._actions:
        assert action.help, f"{name} {action.dest} has no help"
    assert all(len(line) <= 80 for line in command.format_help().splitlines())


def test_general_help_fits_a_terminal() -> None:
    text = parser.build().format_help()
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "exit status" in text
    for name in COMMANDS:
        assert f"    {name}  " in text


def test_the_default_directory_is_config_s() -> None:
    assert parser.build().parse_args(["run"]).config == config.DIRECTORY
