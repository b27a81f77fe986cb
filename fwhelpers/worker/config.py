"""What a worker is told. A module of its own: pickle names classes by module, and the worker's own is `__main__`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fwhelpers.discovery import Row

MAX_CONTROL = 1 << 20  #: bytes of a message between manager and worker

#: instead of an order: end now, and leave what waits in the queue to a successor
HANDOVER = b"leave"


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What the manager tells a worker to do: which helpers to run, how configured."""

    helpers: dict[str, dict[str, Any]]  #: helper name -> settings, limits
    blocked: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()  #: what is installed; a worker that is shut in can't load others
    rows: tuple[Row, ...] = field(default=())  #: the configuration's own discovery protocols
    #: steering "helper": without a listener the kernel confirms nothing, so disable them when the manager is gone
    disable_at_end: bool = False

    def same_code(self, other: WorkerConfig) -> bool:
        """Can a worker with the one go over to the other?"""
        mine, theirs = (
            (self.blocked, self.plugins, self.rows),
            (other.blocked, other.plugins, other.rows),
        )
        return mine == theirs
