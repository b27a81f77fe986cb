"""The running daemon's counters, for whoever may read its runtime directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fwhelpers.daemon.files import RUNTIME


def read(runtime: Path = RUNTIME) -> dict[str, Any]:
    """Return the daemon's last published state. Raises FileNotFoundError if none runs."""
    status: dict[str, Any] = json.loads((runtime / "status.json").read_text())
    return status
