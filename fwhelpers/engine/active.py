"""A helper as configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fwhelpers.api import Helper
from fwhelpers.engine.guard import Limits


@dataclass(frozen=True, slots=True)
class Active:
    """A helper as configured."""

    helper: Helper
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    @property
    def pickup(self) -> bool:
        """Whether streams are read whose beginning was not seen."""
        return bool(self.settings.get("pickup", False))

    @property
    def resume(self) -> bool:
        """Whether another gateway can continue streams of this helper."""
        return bool(self.settings.get("resume", False))
