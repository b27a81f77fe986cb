"""What a worker is told. A module of its own: pickle names classes by module, and the worker's own is `__main__`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fwhelpers.discovery import Row

MAX_CONTROL = 1 << 20  #: bytes of a message between manager and worker


@dataclass(frozen=True, slots=True)
class Order:
    """What the manager tells a worker to do: which helpers to run, how configured."""

    helpers: dict[str, dict[str, Any]]  #: helper name -> settings, limits
    blocked: tuple[str, ...] = ()
    rows: tuple[Row, ...] = field(default=())  #: the configuration's own discovery protocols
    #: steering "helper": without a listener the kernel confirms nothing, so disable them when the manager is gone
    disable_at_end: bool = False
