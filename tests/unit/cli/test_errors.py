"""Errors for people: what, then what to do."""

from __future__ import annotations

import errno

import pytest

from fwhelpers.cli.errors import CliError, tell
from fwhelpers.config import ConfigError, Problem
from fwhelpers.daemon.errors import StartError
from fwhelpers.kernel.nfnl import NetlinkError


class NftError(Exception):
    """Recognised by its name."""


CHECK = "hint: `fwhelpers check` tells what this system lacks\n"
RIGHTS = "hint: run as root, or with CAP_NET_ADMIN\n"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (CliError("it failed", "do that"), "fwhelpers: error: it failed\nhint: do that\n"),
        (CliError("it failed"), "fwhelpers: error: it failed\n"),
        (NetlinkError(errno.ENOENT, "register rpc"),
         f"fwhelpers: error: register rpc: No such file or directory\n{CHECK}"),
        (NetlinkError(errno.EPERM, "register rpc"),
         f"fwhelpers: error: register rpc: Operation not permitted\n{RIGHTS}"),
        (PermissionError(errno.EACCES, "Permission denied", "/run/x"),
         f"fwhelpers: error: /run/x: Permission denied\n{RIGHTS}"),
        (OSError(errno.ENOSPC, "No space left on device", "/run/x"),
         "fwhelpers: error: /run/x: No space left on device\n"),
        (NftError("Could not process rule: Operation not permitted"),
         f"fwhelpers: error: Could not process rule: Operation not permitted\n{RIGHTS}"),
        (StartError("a worker did not get ready", "see above"),
         "fwhelpers: error: a worker did not get ready\nhint: see above\n"),
        (StartError("it can't be"), "fwhelpers: error: it can't be\n"),
        (NftError("no such thing"), f"fwhelpers: error: no such thing\n{CHECK}"),
        (ConfigError([Problem("f", "", "a"), Problem("f", "k", "b", "c")]),
         "fwhelpers: error: f: a\nfwhelpers: error: f: k: b\nhint: c\n"),
    ],
)  # fmt: skip
def test_tell(error: Exception, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(error) == 1
    assert capsys.readouterr().err == expected
