"""The configuration files: their order, how they are merged, and the problems found in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from errno import EACCES
from pathlib import Path
from typing import Any

DIRECTORY = Path("/etc/fwhelpers")
MAIN = "fwhelpers.toml"
DROPINS = "conf.d"

KeyPath = tuple[str, ...]  #: the path of a key: ("helpers", "ftp", "ports")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error in the configuration: where, what, and a suggested remedy."""

    file: str
    key: str
    message: str
    hint: str = ""

    @property
    def text(self) -> str:
        """FILE: KEY: MESSAGE, without the hint."""
        return ": ".join(part for part in (self.file, self.key, self.message) if part)

    def __str__(self) -> str:
        return self.text + (f" ({self.hint})" if self.hint else "")


class ConfigError(Exception):
    """All problems of a configuration, one on each line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def read_files(path: Path) -> Iterator[tuple[str, str | Problem]]:
    """Yield (name, text) or (name, problem) for the files of a directory in their order, or for one file.

    No file is required, so the default directory may be missing.
    """
    if not os.path.isdir(path):  # Path.is_dir() raises if the path leads through a closed directory
        if _is_there(path.stat) or path.suffix == ".toml":
            yield _read_text(path)
        elif path != DIRECTORY or path.is_symlink():
            hint = "create it, or choose another with --config"
            yield str(path), Problem(str(path), "", "no such directory", hint)
        return
    main, directory = path / MAIN, path / DROPINS
    # a link that leads nowhere is no missing file, nor is one that this user can't see
    if _is_there(main.lstat):
        yield _read_text(main)
    if not _is_there(directory.lstat):
        return
    try:
        # Path.glob() passes over a directory that this user can't read, with all limits that it sets
        names = sorted(name for name in os.listdir(directory) if name.endswith(".toml"))
    except OSError as error:
        hint = "the service's user must be able to read it" if error.errno == EACCES else ""
        problem = Problem(str(directory), "", f"cannot be listed: {error.strerror}", hint)
        yield str(directory), problem
        return
    for name in names:
        yield _read_text(directory / name)


def _is_there(look: Callable[[], object]) -> bool:
    """`look`: a path's `stat` or `lstat`."""
    try:
        look()
    except FileNotFoundError:
        return False
    except OSError:
        pass  # to read it tells why
    return True


def _read_text(file: Path) -> tuple[str, str | Problem]:
    name = str(file)
    try:
        return name, file.read_text("utf-8")
    except OSError as error:
        hint = "run as root" if isinstance(error, PermissionError) else ""
        return name, Problem(name, "", f"cannot be read: {error.strerror}", hint)
    except UnicodeDecodeError as error:
        return name, Problem(name, "", f"not UTF-8 (byte {error.start})", "save it as UTF-8")


def merge(
    into: dict[str, Any],
    table: Mapping[str, Any],
    file: str,
    origins: dict[KeyPath, str],
    path: KeyPath = (),
) -> None:
    """Merge a table into another, key by key; the later value wins. Records each key's file in `origins`."""
    for key, value in table.items():
        key_path = (*path, key)
        origins[key_path] = file
        if isinstance(value, dict):
            if not isinstance(into.get(key), dict):
                into[key] = {}
            merge(into[key], value, file, origins, key_path)
        else:
            into[key] = value
