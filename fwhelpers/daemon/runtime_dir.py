"""The files below the runtime directory: the lock, and the published status."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

RUNTIME = Path(os.environ.get("FWHELPERS_RUNTIME", "/run/fwhelpers"))


class AlreadyRunning(Exception):
    """The service runs already in this network namespace."""


class Lock:
    """Held while the service runs; the kernel releases it with the process, so that it can't go stale."""

    def __init__(self, runtime: Path) -> None:
        runtime.mkdir(parents=True, exist_ok=True)
        self.paths = (runtime, runtime / "lock")
        self._fd = os.open(runtime / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise AlreadyRunning(f"another fwhelpers is running ({runtime}/lock is held)") from None

    def release(self) -> None:
        os.close(self._fd)


def is_locked(runtime: Path) -> bool:
    try:
        with (runtime / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def require_stopped(runtime: Path = RUNTIME) -> None:
    """Raises AlreadyRunning while the service runs."""
    if is_locked(runtime):
        raise AlreadyRunning(
            f"the service is running ({runtime}/lock is held), and keeps its helpers registered"
        )


def write_status(runtime: Path, status: dict[str, Any]) -> None:
    """Publish the status atomically."""
    temporary = runtime / "status.json.new"
    temporary.write_text(json.dumps(status, indent=1) + "\n")
    temporary.replace(runtime / "status.json")


def remove_status(runtime: Path) -> None:
    (runtime / "status.json").unlink(missing_ok=True)


def read_status(runtime: Path = RUNTIME) -> dict[str, Any]:
    """Return the last published status. Raises FileNotFoundError if the service does not run."""
    status: dict[str, Any] = json.loads((runtime / "status.json").read_text())
    return status
