"""What a running conntrackd says about its synchronisation: `conntrackd -s`, whose control socket is root's."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from fwhelpers.cli.errors import CliError

CONNTRACKD = Path("/etc/conntrackd/conntrackd.conf")
TIMEOUT = 5.0  #: seconds for an answer
#: seconds; an idle conntrackd sends a message each second in the modes FTFW and NOTRACK (sync-ftfw.c, sync-notrack.c)
HEARTBEATS = 3.0
INTERVAL = 0.25

_VALUE = re.compile(r"([a-z][a-z ]*):\s+(\d+)")
_COUNT = re.compile(r"(\d+) ([A-Z][a-z]+ [a-z]+)")
_QUEUE = re.compile(r"\(len=(\d+)\)")

Query = Callable[..., str]  #: the words after -s; returns the answer


class Replication(NamedTuple):
    """Counts of one kind of state: connections or expectations."""

    own: int  #: in the cache of this gateway's own state, which is sent
    other: int  #: received from the other gateway, and not committed
    failed: int  #: of the other gateway's, which this conntrackd could not store


class Link(NamedTuple):
    """The connection of two conntrackds, since the start of this one."""

    received: int  #: messages
    lost: int
    errors: int  #: sending, receiving, and malformed messages


def query(conf: Path, *words: str) -> str:
    """Return the answer of `conntrackd -s`. Raises CliError."""
    command = ["conntrackd", "-C", str(conf), "-s", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except FileNotFoundError:
        raise CliError("conntrackd is not installed") from None
    except subprocess.TimeoutExpired:
        raise CliError(f"conntrackd did not answer within {TIMEOUT:.0f} s") from None
    if done.returncode:
        raise CliError("conntrackd does not answer", "is it running, and are you root?")
    return done.stdout


def replication(answer: str) -> Replication | None:
    """Parse the answer of -s ct or -s expect; None if there are no caches (DisableExternalCache)."""
    sections = _sections(answer)
    if "cache external" not in sections:
        return None
    own, other = sections["cache internal"], sections["cache external"]
    active = "current active connections"
    return Replication(own[active], other[active], other["failed"])


def link(answer: str) -> Link:
    """Parse the answer of -s."""
    counts = Counter[str]()
    for number, name in _COUNT.findall(answer):
        counts[name] += int(number)
    errors = counts["Error send"] + counts["Error recv"] + counts["Malformed msgs"]
    return Link(counts["Pckts recv"], counts["Lost msgs"], errors)


def unacknowledged(answer: str) -> int:
    """Parse the answer of -s rsqueue: messages that the other gateway has not acknowledged (FTFW)."""
    length = _QUEUE.search(answer)
    return int(length[1]) if length else 0


def hears(ask: Callable[[], str], seconds: float = HEARTBEATS) -> bool:
    """Return whether a message of the other gateway arrives within so many seconds."""
    first, end = link(ask()).received, time.monotonic() + seconds
    while link(ask()).received == first:
        if time.monotonic() > end:
            return False
        time.sleep(INTERVAL)
    return True


def _sections(answer: str) -> Mapping[str, Counter[str]]:
    sections: dict[str, Counter[str]] = {}
    values = Counter[str]()
    for line in answer.splitlines():
        if line.endswith(":"):
            values = sections.setdefault(line[:-1], Counter())
        for name, number in _VALUE.findall(line):
            values[name] += int(number)
    return sections
