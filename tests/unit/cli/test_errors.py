"""Errors on stderr: message and hint."""

from __future__ import annotations

import ast
import errno
from pathlib import Path

import pytest

from fwhelpers.cli.errors import _HINTS, CliError, print_error
from fwhelpers.config import ConfigError, Problem
from fwhelpers.daemon.errors import StartError
from fwhelpers.kernel.nfnl import NetlinkError


class NftError(Exception):
    """Recognised by its name."""


CHECK = "hint: `fwhelpers check` finds missing prerequisites\n"
PRIVILEGES = "hint: run as root, or with CAP_NET_ADMIN\n"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CliError("it failed", "do that"), "fwhelpers: error: it failed\nhint: do that\n"),
        (CliError("it failed"), "fwhelpers: error: it failed\n"),
        (NetlinkError(errno.ENOENT, "register rpc"),
         f"fwhelpers: error: register rpc: No such file or directory\n{CHECK}"),
        (NetlinkError(errno.EPERM, "register rpc"),
         f"fwhelpers: error: register rpc: Operation not permitted\n{PRIVILEGES}"),
        (PermissionError(errno.EACCES, "Permission denied", "/run/x"),
         f"fwhelpers: error: /run/x: Permission denied\n{PRIVILEGES}"),
        (OSError(errno.ENOSPC, "No space left on device", "/run/x"),
         "fwhelpers: error: /run/x: No space left on device\n"),
        (NftError("Could not process rule: Operation not permitted"),
         f"fwhelpers: error: Could not process rule: Operation not permitted\n{PRIVILEGES}"),
        (StartError("a worker did not get ready", "see above"),
         "fwhelpers: error: a worker did not get ready\nhint: see above\n"),
        (StartError("it can't be"), "fwhelpers: error: it can't be\n"),
        (NftError("no such thing"), f"fwhelpers: error: no such thing\n{CHECK}"),
        (ConfigError([Problem("f", "", "a"), Problem("f", "k", "b", "c")]),
         "fwhelpers: error: f: a\nfwhelpers: error: f: k: b\nhint: c\n"),
    ],
)  # fmt: skip
def test_an_error_is_printed_with_its_hint(
    error: Exception, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_error(error) == 1
    assert capsys.readouterr().err == expected


def test_every_hint_belongs_to_an_existing_class() -> None:
    source = Path(__file__).parents[3] / "fwhelpers"
    trees = (ast.parse(file.read_text()) for file in source.rglob("*.py"))
    classes = {n.name for tree in trees for n in ast.walk(tree) if isinstance(n, ast.ClassDef)}
    assert set(_HINTS) <= classes


def test_errors_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "\x1b[2J\u202e"
    print_error(CliError(f"{hostile}\n{hostile}", hostile))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [*[r"fwhelpers: error: \x1b[2J\u202e"] * 2, r"hint: \x1b[2J\u202e"]
