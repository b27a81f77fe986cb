"""Shared by the subcommands: reading the configuration with its plugins, and printing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fwhelpers import config
from fwhelpers.api import Helper
from fwhelpers.cli.printable import printable
from fwhelpers.networkmanager import references
from fwhelpers.plugin import manager as plugins


class Setup(NamedTuple):
    """A valid configuration and the plugins it was validated against."""

    config: config.Config
    plugins: plugins.Plugins

    @property
    def enabled(self) -> Mapping[str, Helper]:
        return {name: self.plugins.helpers[name] for name in self.config.helpers}


def load_plugins(draft: config.UnresolvedConfig) -> plugins.Plugins:
    """Load the plugins that the configuration does not block, with its discovery protocols."""
    return plugins.load(blocked=draft.daemon.blocked_plugins).with_discovery(draft.rows)


def resolve(draft: config.UnresolvedConfig, available: plugins.Plugins) -> config.Config:
    """Validate the configuration against the plugins. Raises ConfigError."""
    return config.resolve(draft, available.helpers, available.missing_reasons())


def read(path: Path) -> Setup:
    """Read the configuration as the files define it. Raises ConfigError."""
    draft = config.load(path)
    available = load_plugins(draft)
    return Setup(resolve(draft, available), available)


def setup(path: Path) -> Setup:
    """Like `read`, but references to NetworkManager profiles match no interface. Raises ConfigError."""
    files = read(path)
    return files._replace(config=references.resolve(files.config, ()))


def find_helper(name: str, helpers: Mapping[str, Helper]) -> Helper:
    """Return a helper by its name or its kernel name. Raises CliError with a suggestion."""
    from fwhelpers.cli.errors import CliError
    from fwhelpers.config.validators import suggest

    for helper in helpers.values():
        if name in (helper.name, helper.kernel_name):
            return helper
    raise CliError(f"no such helper: {name}", suggest(name, sorted(helpers), "installed helpers"))


def print_json(value: object) -> None:
    """Print one indented JSON document."""
    print(_json(json.dumps(value, indent=2, ensure_ascii=False, default=str)))


def print_line(value: Mapping[str, Any]) -> None:
    """Print one JSON object on a line and flush it."""
    print(_json(json.dumps(value, ensure_ascii=False)), flush=True)


def _json(text: str) -> str:
    r"""Write what is not printable as \uXXXX. JSON itself allows U+009B, a terminal's CSI, and U+202E."""
    lines = text.split("\n")
    if all(map(str.isprintable, lines)):
        return text
    return "\n".join(
        "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line) for line in lines
    )


def table(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Align rows in columns, safe for a terminal; the last column is not padded."""
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def print_lines(lines: Iterable[str]) -> None:
    """Print texts that contain names or words of others, line by line and safe for a terminal."""
    for text in lines:
        for line in text.split("\n"):
            print(printable(line))


def warn(text: str) -> None:
    """Print a notice on stderr that does not affect the exit status."""
    lines = map(printable, text.splitlines())
    print("fwhelpers: " + "\n".join(lines), file=sys.stderr, flush=True)
