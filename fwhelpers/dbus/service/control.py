"""The part of the daemon that the D-Bus service uses; the service imports nothing else of it.

Dictionaries have the keys of `fwhelpers.dbus.fields`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol

Values = Mapping[str, Any]


class ControlError(Exception):
    """A request that failed. `name` is the D-Bus error name."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


class NotificationKind(Enum):
    """The signals of the Manager interface."""

    RULESET_REPLACED = auto()
    HELPER_FAILED = auto()
    WORKER_RESTARTED = auto()


@dataclass(frozen=True, slots=True)
class Notification:
    """An event of the daemon that is signalled to all clients."""

    kind: NotificationKind
    name: str = ""  #: of the helper
    queue: int = 0  #: of the worker
    details: Values = field(default_factory=dict)


class Control(Protocol):
    """The daemon's interface to the service."""

    def summary(self) -> Values:
        """version, enabled (names), problems (reasons by name), steering, fail_mode, started."""

    def helpers(self) -> list[Values]:
        """Return all installed helpers."""

    def plugins(self) -> list[Values]:
        """Return all installed plugins."""

    def workers(self) -> list[Values]:
        """Return all workers with their counters."""

    def rates(self) -> Mapping[tuple[str, str], Mapping[str, float]]:
        """Counters per second over the last minute, by ("helper", name) and ("worker", queue)."""

    def last_takeover(self) -> Values | None:
        """Return time and totals of the last `fwhelpers takeover`, None if none is recorded."""

    def replication(self) -> Values | None:
        """Return the state of the connection to the other gateway, None if replication is not configured."""

    async def enable(self, name: str, enabled: bool, persist: bool) -> Values:
        """Enable or disable a helper at once, until the next reload or (`persist`) for good.

        Raises ControlError; nothing has changed then.
        """

    async def reload(self) -> Values:
        """Apply the configuration files. Raises ControlError; nothing has changed then."""

    def ruleset(self) -> str:
        """Return our table as loaded in the kernel. Raises ControlError."""

    async def probe(self) -> list[Values]:
        """Return the kernel features that we need, and whether they are available."""

    def listen(self, listener: Callable[[Notification], None]) -> None:
        """Call `listener` for each event from now on."""
