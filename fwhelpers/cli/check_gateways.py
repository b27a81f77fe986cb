"""The part of `fwhelpers check` that reads what conntrackd and keepalived do on one of two gateways."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from fwhelpers.cli import keepalived as vrrp
from fwhelpers.cli.conntrackd import CONNTRACKD
from fwhelpers.cli.keepalived import KEEPALIVED
from fwhelpers.firewalld.diagnostics import Diagnostic

_PAGE = "see docs/gateways.md"
#: conntrackd commits so many hash buckets at once (read_config_yy.y: commit_steps). If these are all, the client of
#: the commit is never released, and each `conntrackd -f` after it is ignored (seen with 1.4.7)
COMMIT_STEP = 8192
LOCK = "/var/lock/conntrack.lock"  #: LockFile's default
_ON = {"on", "yes"}
_NOTIFY = re.compile(r"^\s*notify(?:_master)?\s+(.+)$", re.MULTILINE)
#: `conntrackd -c`, also behind -C FILE or in a variable, as in `$CONNTRACKD_BIN -C $CONF -c`
_COMMIT = re.compile(
    r"^[^#\n]*(?i:conntrackd)[^#\n]*\s-c(?=\s|$)(?P<table>\s+expect)?", re.MULTILINE
)
#: what a gateway that becomes standby should do; -f with a word leaves expectations
_EMPTY = re.compile(r"^[^#\n]*(?i:conntrackd)[^#\n]*\s-f *(?:#|$)", re.MULTILINE)
_ASK = re.compile(r"^[^#\n]*(?i:conntrackd)[^#\n]*\s-n(?=\s|$)", re.MULTILINE)
_TAKEOVER = re.compile(r"^[^#\n]*fwhelpers\s+takeover", re.MULTILINE)


_MASTERS_END = Diagnostic(
    "daemon.keep_masters",
    "connections whose control connection has ended do not survive a take-over",
    f"set keep_masters = true in [daemon]; {_PAGE}",
)


def synchronisation(
    conntrackd: Path = CONNTRACKD,
    keepalived: Path = KEEPALIVED,
    keep_masters: bool = True,
    replicated: bool = False,
) -> Iterator[Diagnostic | str]:
    """Yield mistakes in the files by which two gateways share connections; nothing if conntrackd does not.

    `keep_masters`: the setting in our own configuration. `replicated`: that has [replication], so that conntrackd
    need not carry expectations.
    """
    words = words_of(read_text(conntrackd))
    if "Sync" not in words:
        return
    faults = [
        *_conntrackd(str(conntrackd), words, replicated),
        *_stale_lock(words),
        *([] if keep_masters else [_MASTERS_END]),
        *_both_active(keepalived),
        *_scripts(keepalived, replicated),
    ]
    yield from faults
    if not faults:
        yield "conntrackd carries connections" if replicated else "conntrackd carries expectations"


def _conntrackd(where: str, words: list[str], replicated: bool) -> Iterator[Diagnostic]:
    # a list of helpers in braces is an answer as well
    value = value_of(words, "ExpectationSync").lower()
    if not replicated and value not in _ON | {"{"}:
        problem = "expectations are not synchronised"
        yield Diagnostic(where, problem, f"set ExpectationSync On in Sync, Options; {_PAGE}")
    size = value_of(words, "HashSize")
    if size.isdigit() and int(size) <= COMMIT_STEP:
        problem = f"with HashSize {size} a commit never ends, and used expectations come back"
        yield Diagnostic(where, problem, f"set it to 32768; {_PAGE}")
    if value_of(words, "DisableExternalCache").lower() in _ON:
        problem = "with DisableExternalCache On, as if both were active, expectations never reach the other gateway"
        yield Diagnostic(where, problem, f"set it to Off; {_PAGE}")


def _stale_lock(words: list[str]) -> Iterator[Diagnostic]:
    """A killed conntrackd leaves its lock file, and no other one starts (main.c: O_EXCL)."""
    lock = Path(value_of(words, "LockFile") or value_of(words, "Lockfile") or LOCK)
    if lock.exists() and not _serves(value_of(words, "Path")):
        hint = f"remove it and start conntrackd; {_PAGE} has a drop-in that does so"
        yield Diagnostic(
            str(lock), "conntrackd does not run, and can't start while this exists", hint
        )


def _serves(control: str) -> bool:
    """Return whether a process serves a control socket, or may do so, as the socket is not ours to use."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(control)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:
            return True
    return True


def _both_active(keepalived: Path) -> Iterator[Diagnostic]:
    """A helper must see both directions of a control connection."""
    pairs = list(vrrp.parse(read_text(keepalived)).apart())
    for first, second in pairs[:1]:
        pair = f"{first.name} and {second.name}"
        if first.state == second.state:
            problem = f"{pair} may be active on different gateways"
        else:
            problem = f"{pair} have different states, so both gateways are active"
        hint = f"put them into one vrrp_sync_group, or let each have its own networks; {_PAGE}"
        yield Diagnostic(str(keepalived), problem, hint)


def _scripts(keepalived: Path, replicated: bool) -> Iterator[Diagnostic]:
    scripts = list(dict.fromkeys(_notified(read_text(keepalived))))
    texts = {script: text for script in scripts if (text := read_text(script))}
    commits = [m for text in texts.values() for m in _COMMIT.finditer(text)]
    if not commits:
        return  # another program makes the gateway active
    where = ", ".join(map(str, texts))
    if not replicated and not any(match["table"] for match in commits):
        problem = "conntrackd -c does not commit expectations"
        yield Diagnostic(where, problem, f"run conntrackd -c expect after it; {_PAGE}")
    if not any(_TAKEOVER.search(text) for text in texts.values()):
        problem = "conntrackd commits expectations without their translation"
        yield Diagnostic(where, problem, f"run fwhelpers takeover after conntrackd -c; {_PAGE}")
    if not replicated and any(_asks_without_emptying(text) for text in texts.values()):
        problem = "used expectations come back after a change of roles"
        yield Diagnostic(where, problem, f"run conntrackd -f, without a word, before -n; {_PAGE}")


def _asks_without_emptying(text: str) -> bool:
    """Return whether a standby asks for everything with the expectations of its active time in its caches."""
    asks = list(_ASK.finditer(text))
    return any(not _EMPTY.search(text[_branch(text, ask.start()) : ask.start()]) for ask in asks)


def _branch(text: str, at: int) -> int:
    """Return where the branch of a shell script's `case` around a place begins, 0 outside of one."""
    return max(text.rfind(";;", 0, at), 0)


def _notified(text: str) -> Iterator[Path]:
    for match in _NOTIFY.finditer(text):
        with suppress(ValueError, IndexError):  # an odd line is keepalived's to report
            yield Path(shlex.split(match[1].partition("#")[0])[0].split()[0])


def words_of(text: str) -> list[str]:
    """Return the words of a conntrackd.conf, with each brace as a word."""
    lines = (line.partition("#")[0] for line in text.splitlines())
    return " ".join(lines).replace("{", " { ").replace("}", " } ").split()


def value_of(words: list[str], key: str) -> str:
    """Return the word behind the last occurrence of a key."""
    values = [after for word, after in pairwise(words) if word == key]
    return values[-1] if values else ""


def read_text(path: Path) -> str:
    """Return a file's text; empty if it can't be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:  # not installed, or not ours to read
        return ""
