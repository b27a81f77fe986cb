"""How failures reach people: `fwhelpers: error: …`, then `hint: …`; never a traceback."""

from __future__ import annotations

import errno
import os
import sys


class CliError(Exception):
    """Something a person can mend."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


CHECK = "`fwhelpers check` tells what this system lacks"

#: errors of other modules, by name: they must not be imported (slowly) to be recognised
_HINTS = {
    "NftError": CHECK,
    "NetlinkError": CHECK,
    "Locked": "stop it first, or reload it with SIGHUP",
    "StartError": "",  # says itself what to do
    "Registered": "remove those rules (firewalld: its service or helper entries) first",
}

RIGHTS = "run as root, or with CAP_NET_ADMIN"


def tell(error: BaseException) -> int:
    """Print an error and its hint; returns the exit status."""
    for problem in getattr(error, "problems", ()):  # a ConfigError: each with its own remedy
        _print(f"{problem.file}: {problem.key}: {problem.what}".replace(": : ", ": "), problem.hint)
    if not getattr(error, "problems", ()):
        _print(*explain(error))
    return 1


def _print(text: str, hint: str) -> None:
    for line in text.splitlines():
        print(f"fwhelpers: error: {line}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def explain(error: BaseException) -> tuple[str, str]:
    """An error and what to do about it, for people."""
    own = getattr(error, "hint", "")
    if isinstance(error, CliError):
        return str(error), own
    if getattr(error, "errno", None) in (errno.EPERM, errno.EACCES):
        return _system(error), own or RIGHTS
    if "Operation not permitted" in str(error):  # libnftables gives text only
        return str(error), own or RIGHTS
    for kind in type(error).__mro__:
        if kind.__name__ in _HINTS:
            return str(error), own or _HINTS[kind.__name__]
    if isinstance(error, OSError):
        return _system(error), own
    report = "this is a bug: FWHELPERS_DEBUG=1 shows where, please report it"
    return f"internal error: {type(error).__name__}: {error}", report


def _system(error: BaseException) -> str:
    strerror = getattr(error, "strerror", None)
    filename = getattr(error, "filename", None)
    return f"{filename}: {strerror}" if filename else strerror or str(error)


def reader_gone() -> int:
    """Whoever read our output has closed it (`| head`): be quiet, as SIGPIPE would be."""
    # the interpreter flushes stdout once more at its end, which must not fail again
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + 13
