"""The command line: help texts, and suggestions for misspelled words."""

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
        "counters", "monitor", "explain", "top", "metrics", "replay", "register", "release", "unregister",
        "takeover", "replicate",
        "cluster", "zones", "firewalld-files", "import-conntrackd", "completion",
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


@pytest.mark.parametrize(
    ("line", "error", "hint"),
    [
        ("enabel ftp", "unknown command 'enabel'", "did you mean enable?"),
        ("xyzzy", "unknown command 'xyzzy'", "commands: run, check, status, "),
        ("status --jsno", "unknown option --jsno", "did you mean --json?"),
        ("replay x --prot=21", "unknown option --prot", "did you mean --port?"),
        ("completion bsh", "unknown value 'bsh'", "did you mean bash?"),
        ("list a b", "unexpected argument 'b'", ""),
        ("explain ftp.example ::1 21", "argument SRC: 'ftp.example' is not an IP address", ""),
        ("explain ::2 ::1\x1b 21", "argument DST: '::1\\x1b' is not an IP address", ""),
        ("explain ::2 ::1 ftp", "argument PORT: 'ftp' is not a port between 1 and 65535", ""),
        ("explain ::2 ::1 0", "argument PORT: '0' is not a port between 1 and 65535", ""),
        ("replay x --port=-1", "argument --port: '-1' is not a port between 1 and 65535", ""),
        ("top --interval x", "argument --interval: 'x' is not between 0.2 and 3600 seconds", ""),
        (
            "top --interval nan",
            "argument --interval: 'nan' is not between 0.2 and 3600 seconds",
            "",
        ),
    ],
)
def test_a_misspelled_word_gets_a_suggestion(
    line: str, error: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parser.build().parse_args(line.split())
    assert caught.value.code == 2
    text = capsys.readouterr().err
    assert f"fwhelpers: error: {error}\n" in text
    assert (f"\nhint: {hint}" in text) if hint else ("hint" not in text)
