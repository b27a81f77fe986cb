"""What the manager sends to a worker. A module of its own: pickle names classes by module, and the worker's main
module is `__main__`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fwhelpers.discovery import Row
from fwhelpers.engine.guard import Limits
from fwhelpers.plugin.manager import Plugin

MAX_CONTROL = 1 << 20  #: bytes of a message between manager and worker

#: in place of a configuration: end now, and leave the packets in the queue to a successor
HANDOVER = b"handover"


@dataclass(frozen=True, slots=True)
class HelperOptions:
    """A helper's part of the configuration, as far as a worker needs it."""

    settings: Mapping[str, Any]
    limits: Limits


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """The helpers that a worker runs, with their settings and limits, and the code that it loads."""

    helpers: Mapping[str, HelperOptions]  #: by the name of the helper
    blocked: tuple[str, ...] = ()  #: plugins that must not be loaded
    plugins: tuple[str, ...] = ()  #: identities of the installed plugins
    installed: tuple[Plugin, ...] = ()  #: as the manager found them; none: the worker searches
    rows: tuple[Row, ...] = ()  #: the configuration's own discovery protocols
    #: steering "helper": without a listener the kernel confirms nothing, so disable them when the manager is gone
    disable_at_end: bool = False
    max_expectations: int = 1024  #: live ones at the same time

    def same_code(self, other: WorkerConfig) -> bool:
        """Can a worker that runs one apply the other? In the sandbox it loads no further plugins."""
        return (self.blocked, self.plugins, self.rows) == (
            other.blocked,
            other.plugins,
            other.rows,
        )
