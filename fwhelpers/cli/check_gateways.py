"""The part of `fwhelpers check` that reads what conntrackd and keepalived do on one of two gateways."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from fwhelpers.firewalld.diagnostics import Diagnostic

CONNTRACKD = Path("/etc/conntrackd/conntrackd.conf")
KEEPALIVED = Path("/etc/keepalived/keepalived.conf")

_PAGE = "see docs/gateways.md"
_ON = {"on", "yes"}
_NOTIFY = re.compile(r"^\s*notify(?:_master)?\s+(.+)$", re.MULTILINE)
#: `conntrackd -c`, also behind -C FILE or in a variable, as in `$CONNTRACKD_BIN -C $CONF -c`
_COMMIT = re.compile(
    r"^[^#\n]*(?i:conntrackd)[^#\n]*\s-c(?=\s|$)(?P<table>\s+expect)?", re.MULTILINE
)
_TAKEOVER = re.compile(r"^[^#\n]*fwhelpers\s+takeover", re.MULTILINE)


def synchronisation(
    conntrackd: Path = CONNTRACKD, keepalived: Path = KEEPALIVED
) -> Iterator[Diagnostic | str]:
    """Yield mistakes in the files by which two gateways share connections; nothing if conntrackd does not."""
    words = _words(_read(conntrackd))
    if "Sync" not in words:
        return
    faults = [*_conntrackd(str(conntrackd), words), *_scripts(keepalived)]
    yield from faults
    if not faults:
        yield "conntrackd carries expectations"


def _conntrackd(where: str, words: list[str]) -> Iterator[Diagnostic]:
    # a list of helpers in braces is an answer as well
    value = _value(words, "ExpectationSync").lower()
    if value not in _ON | {"{"}:
        problem = "expectations are not synchronised"
        yield Diagnostic(where, problem, f"set ExpectationSync On in Sync, Options; {_PAGE}")
    if _value(words, "DisableExternalCache").lower() in _ON:
        problem = "with DisableExternalCache On expectations never reach the other gateway"
        yield Diagnostic(where, problem, f"set it to Off; {_PAGE}")


def _scripts(keepalived: Path) -> Iterator[Diagnostic]:
    scripts = list(dict.fromkeys(_notified(_read(keepalived))))
    texts = {script: text for script in scripts if (text := _read(script))}
    commits = [m for text in texts.values() for m in _COMMIT.finditer(text)]
    if not commits:
        return  # another program makes the gateway active
    where = ", ".join(map(str, texts))
    if not any(match["table"] for match in commits):
        problem = "conntrackd -c does not commit expectations"
        yield Diagnostic(where, problem, f"run conntrackd -c expect after it; {_PAGE}")
    if not any(_TAKEOVER.search(text) for text in texts.values()):
        problem = "conntrackd commits expectations without their translation"
        yield Diagnostic(where, problem, f"run fwhelpers takeover after conntrackd -c; {_PAGE}")


def _notified(text: str) -> Iterator[Path]:
    for match in _NOTIFY.finditer(text):
        with suppress(ValueError, IndexError):  # an odd line is keepalived's to report
            yield Path(shlex.split(match[1].partition("#")[0])[0].split()[0])


def _words(text: str) -> list[str]:
    lines = (line.partition("#")[0] for line in text.splitlines())
    return " ".join(lines).replace("{", " { ").replace("}", " } ").split()


def _value(words: list[str], key: str) -> str:
    """Return the word behind the last occurrence of a key."""
    values = [after for word, after in pairwise(words) if word == key]
    return values[-1] if values else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # not installed, or not ours to read
        return ""
