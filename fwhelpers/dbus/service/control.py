"""What a client of the service may see and do; the bus knows no more of the daemon than this.

Dictionaries have the keys of `fwhelpers.dbus.fields`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Values = Mapping[str, Any]


class ControlError(Exception):
    """Why something was not done, for people. `kind`: the D-Bus error's name."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Notification:
    """Something that clients are told of."""

    kind: str  #: "ruleset-replaced", "helper-failed" or "worker-restarted"
    name: str = ""  #: of the helper
    queue: int = 0  #: of the worker
    details: Values = field(default_factory=dict)


class Control(Protocol):
    """The daemon, seen from the bus."""

    def summary(self) -> Values:
        """version, enabled (names), problems (text by name), steering, fail."""

    def helpers(self) -> list[Values]:
        """All installed helpers."""

    def plugins(self) -> list[Values]:
        """All installed plugins."""

    def workers(self) -> list[Values]:
        """All workers with their counters."""

    async def enable(self, name: str, enabled: bool, persist: bool) -> Values:
        """Enable or disable a helper at once, until reload or (`persist`) for good.

        Raises ControlError; nothing has changed then.
        """

    async def reload(self) -> Values:
        """Go over to what the configuration files say. Raises ControlError; nothing has changed then."""

    def ruleset(self) -> str:
        """Our rules as the kernel has them. Raises ControlError."""

    async def probe(self) -> list[Values]:
        """What the kernel can do for us."""

    def listen(self, listener: Callable[[Notification], None]) -> None:
        """Call it with what happens from now on."""
