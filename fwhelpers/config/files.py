"""The configuration's files: which, in which order, how they are merged, what may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KeyPath = tuple[str, ...]  #: a key's place: ("helpers", "ftp", "ports")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    file: str
    key: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.key else self.file
        return f"{where}: {self.what}" + (f" ({self.hint})" if self.hint else "")


class ConfigError(Exception):
    """Everything that is wrong with a configuration; a line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def read_files(path: Path) -> Iterator[tuple[str, str | Problem]]:
    """The files of a configuration directory (or one file) in their order, each as name and text or problem."""
    if not path.is_dir():
        if path.exists() or path.suffix == ".toml":
            yield _text(path)
        else:
            hint = "make it, or name another with --config"
            yield str(path), Problem(str(path), "", "there is no such directory", hint)
        return
    first = path / "fwhelpers.toml"
    try:
        found = sorted((path / "conf.d").glob("*.toml"))
    except OSError as error:
        yield str(path), Problem(str(path), "", f"can't be listed: {error.strerror}")
        return
    for file in [first, *found] if first.exists() else found:
        yield _text(file)


def _text(file: Path) -> tuple[str, str | Problem]:
    name = str(file)
    try:
        return name, file.read_text("utf-8")
    except OSError as error:
        hint = "run as root" if isinstance(error, PermissionError) else ""
        return name, Problem(name, "", f"can't be read: {error.strerror}", hint)
    except UnicodeDecodeError as error:
        return name, Problem(name, "", f"is not UTF-8 (byte {error.start})", "save it as UTF-8")


def merge(
    into: dict[str, Any], table: Mapping[str, Any], file: str, origins: dict[KeyPath, str],
    at: KeyPath = (),
) -> None:  # fmt: skip
    """Merge a table into another, key by key; the later wins. `origins` learns which file says what."""
    for key, value in table.items():
        here = (*at, key)
        origins[here] = file
        if isinstance(value, dict):
            if not isinstance(into.get(key), dict):
                into[key] = {}
            merge(into[key], value, file, origins, here)
        else:
            into[key] = value
