"""An independent reader of the kernel's state: pyroute2, which shares no code with ours."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from lab import PROGRAMS
from lab.topology import Lab

#: enum ip_conntrack_status
EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED, HELPER = 1, 2, 4, 8, 0x2000


@dataclass(frozen=True)
class Connection:
    """A conntrack entry; the tuples are (source, source port, destination, destination port)."""

    l4: int
    status: int
    id: int
    orig: tuple[str, int, str, int]
    reply: tuple[str, int, str, int]


@dataclass(frozen=True)
class Address:
    interface: str
    address: str
    length: int  #: of the prefix


def connections(lab: Lab, ns: str = "g") -> list[Connection]:
    """Return the conntrack entries of TCP and UDP."""
    rows = _dump(lab, ns, "connections")
    entries = [
        Connection(**{**row, "orig": (*row["orig"],), "reply": (*row["reply"],)}) for row in rows
    ]
    return [entry for entry in entries if entry.l4 in (6, 17)]


def addresses(lab: Lab, ns: str = "g") -> list[Address]:
    """Return the addresses of all interfaces."""
    return [Address(**row) for row in _dump(lab, ns, "addresses")]


def _dump(lab: Lab, ns: str, table: str) -> list[dict]:  # type: ignore[type-arg]
    done = lab.run(ns, sys.executable, str(PROGRAMS / "netlink_dump.py"), table)
    return [json.loads(line) for line in done.stdout.splitlines()]
