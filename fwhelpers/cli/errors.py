"""Prints failures as `fwhelpers: error: …` and `hint: …`, without a traceback."""

from __future__ import annotations

import errno
import os
import sys


class CliError(Exception):
    """An error that the user can correct."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(CliError):
    """Arguments that do not fit together."""


CHECK = "`fwhelpers check` finds missing prerequisites"

#: hints by the name of the error's class, so that its module (slow to load) need not be imported
_HINTS = {
    "NftError": CHECK,
    "NetlinkError": CHECK,
    "AlreadyRunning": "stop it first, or reload it with SIGHUP",
    "StartError": "",  # its message contains the remedy
    "HelperInUse": "first remove those rules (firewalld: its service or helper entries)",
}

PRIVILEGES = "run as root, or with CAP_NET_ADMIN"


def print_error(error: BaseException) -> int:
    """Print an error with its hint and return the exit status."""
    problems = getattr(error, "problems", ())
    for problem in problems:  # of a ConfigError; each has its own hint
        _print(problem.text, problem.hint)
    if not problems:
        _print(*explain(error))
    return 2 if isinstance(error, UsageError) else 1


def _print(text: str, hint: str) -> None:
    from fwhelpers.cli.printable import printable  # --help does not need it

    # texts of D-Bus errors, file names and arguments may come from anywhere
    for line in text.splitlines():
        print(f"fwhelpers: error: {printable(line)}", file=sys.stderr)
    if hint:
        lines = map(printable, hint.splitlines())
        print("hint: " + "\n".join(lines), file=sys.stderr)


def explain(error: BaseException) -> tuple[str, str]:
    """Return the message and the hint for an error."""
    hint = getattr(error, "hint", "")
    if isinstance(error, CliError):
        return str(error), hint
    if getattr(error, "errno", None) in (errno.EPERM, errno.EACCES):
        return _os_message(error), hint or PRIVILEGES
    if "Operation not permitted" in str(error):  # libnftables returns text only
        return str(error), hint or PRIVILEGES
    for cls in type(error).__mro__:
        if cls.__name__ in _HINTS:
            return str(error), hint or _HINTS[cls.__name__]
    if isinstance(error, OSError):
        return _os_message(error), hint
    report = "this is a bug: please report it with the output of FWHELPERS_DEBUG=1"
    return f"internal error: {type(error).__name__}: {error}", report


def _os_message(error: BaseException) -> str:
    strerror = getattr(error, "strerror", None)
    filename = getattr(error, "filename", None)
    return f"{filename}: {strerror}" if filename else strerror or str(error)


def broken_pipe() -> int:
    """Discard the remaining output after the reader (`| head`) closed the pipe; return SIGPIPE's status."""
    # the interpreter flushes stdout again at exit, which would fail
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + 13
