"""The drop-in file with the helpers that were enabled and disabled permanently at run time."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from fwhelpers.config import overrides


class DropInError(Exception):
    """The drop-in file can't be read or written."""


class DropIn:
    """A file below conf.d/ of the configuration directory."""

    def __init__(self, config_dir: Path) -> None:
        self._config_dir = config_dir
        self.path = config_dir / "conf.d" / overrides.FILE

    def read(self) -> bytes | None:
        """Return the file's content, None if it does not exist. Raises DropInError."""
        if not self._config_dir.is_dir():
            raise DropInError(f"{self._config_dir} is a single file and has no conf.d")
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DropInError(f"{self.path}: {error.strerror}") from None

    def add(self, name: str, enabled: bool) -> bytes | None:
        """Write an override; returns the former content for `restore`. Raises DropInError."""
        former = self.read()
        try:
            helpers = overrides.parse((former or b"").decode())
        except ValueError as error:
            raise DropInError(f"{self.path}: {error}; correct or remove it") from None
        self._write(overrides.render({**helpers, name: enabled}).encode())
        return former

    def restore(self, former: bytes | None) -> None:
        """Undo `add`. Raises DropInError."""
        if former is None:
            try:
                self.path.unlink(missing_ok=True)
            except OSError as error:
                raise DropInError(f"{self.path}: {error.strerror}") from None
        else:
            self._write(former)

    def _write(self, content: bytes) -> None:
        temporary = self.path.with_name(f".{self.path.name}.new")
        try:
            self.path.parent.mkdir(exist_ok=True)
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise DropInError(f"{self.path}: {error.strerror}") from None
