"""What workers tell, as lines of the log."""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger("fwhelpers")

_LEVEL = {"refused": logging.WARNING, "failed": logging.ERROR}


def write(message: dict[str, Any]) -> None:
    """Log a worker's message, where it is one for people."""
    note = message.get("note")
    if note:
        log.log(_LEVEL.get(note["kind"], logging.INFO), "%s", sentence(note))
    elif "problem" in message:
        log.error("worker %d: %s", message["queue"], message["problem"])


def sentence(note: dict[str, str]) -> str:
    """A note in words."""
    where = f"{note['helper']}: {note['client']} → {note['server']}"
    what = f" {note['what']}" if note["what"] else ""
    if note["kind"] == "refused":
        return f"{where}: refused{what} {note['endpoint']}: {note['reason']} ({note['rule']})"
    if note["kind"] == "expected":
        return f"{where}: expecting{what} {note['expected']}"
    return f"{where}: {note['kind']}: {note['reason']}"
