"""What a candidate costs: processor time and memory of its processes, expectations in the kernel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_TICK = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """Sums over processes, and over the gateway's namespace."""

    user: float  #: seconds
    system: float  #: seconds
    created: int  #: expectations since the namespace exists
    pss: int  #: KiB

    def since(self, earlier: Usage) -> Usage:
        """What was used in between; memory is that of now."""
        return Usage(
            self.user - earlier.user,
            self.system - earlier.system,
            self.created - earlier.created,
            self.pss,
        )


def usage(pids: Sequence[int], namespace: int) -> Usage:
    """Read it. `namespace`: a process in the gateway's network namespace."""
    times = [_times(pid) for pid in pids]
    return Usage(
        sum(user for user, _ in times),
        sum(system for _, system in times),
        _created(namespace),
        sum(_pss(pid) for pid in pids),
    )


def _times(pid: int) -> tuple[float, float]:
    # proc(5): fields 14 and 15, counted from behind the command's closing parenthesis
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / _TICK, int(fields[12]) / _TICK


def _pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _created(pid: int) -> int:
    """Expectations inserted, all processors (ct_cpu_seq_show() in nf_conntrack_standalone.c)."""
    header, *processors = Path(f"/proc/{pid}/net/stat/nf_conntrack").read_text().splitlines()
    column = header.split().index("expect_create")
    return sum(int(line.split()[column], 16) for line in processors)
