"""The file in which `fwhelpers takeover` leaves its results, for `cluster status` and for monitoring.

The directory belongs to the service's user, and root writes to it: a new file of a random name takes the place of the
old one, so that no link is followed.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

STATE = Path(os.environ.get("FWHELPERS_STATE", "/var/lib/fwhelpers"))
NAME = "takeovers.json"

KEPT = 16  #: take-overs in the file
MAX_REASONS = 16  #: for each take-over; the others count as `OTHER`
MAX_BYTES = 256 << 10
OTHER = "other"


class Takeover(NamedTuple):
    """Numbers of expectations after a take-over."""

    time: float  #: seconds since 1970
    repaired: int
    kept: int
    refused: Mapping[str, int]  #: by reason
    lost: Mapping[str, int]  #: by the kernel's error

    def totals(self) -> dict[str, int]:
        """Return the numbers without reasons."""
        refused, lost = sum(self.refused.values()), sum(self.lost.values())
        return {"repaired": self.repaired, "kept": self.kept, "refused": refused, "lost": lost}


class Record(NamedTuple):
    """The file's content."""

    total: int = 0  #: of all take-overs, also of those that are not in the file any more
    takeovers: tuple[Takeover, ...] = ()  #: the last ones, the newest last


def read(state: Path | None = None) -> Record:
    """Return the record; an empty one if there is none, or if it can't be understood."""
    try:
        with ((state or STATE) / NAME).open("rb") as file:
            text = file.read(MAX_BYTES + 1)
        values = json.loads(text) if len(text) <= MAX_BYTES else {}
        takeovers = tuple(_takeover(row) for row in values["takeovers"][-KEPT:])
        return Record(max(int(values["count"]), len(takeovers)), takeovers)
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return Record()


def add(takeover: Takeover, state: Path | None = None) -> None:
    """Append to the record, which is replaced as a whole. Raises OSError."""
    state = state or STATE
    before = read(state)
    refused, lost = bounded(takeover.refused), bounded(takeover.lost)
    row = takeover._replace(refused=refused, lost=lost)
    rows = [row._asdict() for row in (*before.takeovers, row)[-KEPT:]]
    descriptor, name = tempfile.mkstemp(dir=state, prefix=f"{NAME}.")
    try:
        with open(descriptor, "w") as file:
            json.dump({"count": before.total + 1, "takeovers": rows}, file, indent=1)
            os.fchmod(file.fileno(), 0o644)
        os.replace(name, state / NAME)
    except BaseException:
        os.unlink(name)
        raise


def _takeover(row: Mapping[str, Any]) -> Takeover:
    reasons = (_reasons(row["refused"]), _reasons(row["lost"]))
    return Takeover(float(row["time"]), int(row["repaired"]), int(row["kept"]), *reasons)


def _reasons(values: Mapping[str, Any]) -> dict[str, int]:
    return bounded({str(reason): int(count) for reason, count in values.items()})


def bounded(reasons: Mapping[str, int]) -> dict[str, int]:
    """Return the commonest reasons, and the others as one: a record of the other gateway is in their text."""
    if len(reasons) <= MAX_REASONS:
        return dict(reasons)
    ordered = sorted(reasons, key=lambda reason: -reasons[reason])
    first = {reason: reasons[reason] for reason in ordered[: MAX_REASONS - 1]}
    return {**first, OTHER: sum(reasons.values()) - sum(first.values())}
