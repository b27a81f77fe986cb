"""What several commands need: the configuration with its plugins, and tables as text."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fwhelpers import config
from fwhelpers.api import Helper
from fwhelpers.networkmanager import references
from fwhelpers.plugin import manager as plugins


class Setup(NamedTuple):
    """A checked configuration and the plugins it was checked against."""

    config: config.Config
    plugins: plugins.Plugins

    @property
    def enabled(self) -> Mapping[str, Helper]:
        """The enabled helpers."""
        return {name: self.plugins.helpers[name] for name in self.config.helpers}


def read(path: Path) -> Setup:
    """Read the configuration as the files have it. Raises ConfigError."""
    draft = config.load(path)
    found = plugins.load(blocked=draft.daemon.blocked_plugins).plus(draft.rows)
    return Setup(config.resolve(draft, found.helpers, found.absent()), found)


def setup(path: Path) -> Setup:
    """The same, in which references to connections mean no interface. Raises ConfigError."""
    files = read(path)
    return files._replace(config=references.resolve(files.config, ()))


def print_json(value: object) -> None:
    """One document, for people who pipe."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def print_line(value: Mapping[str, Any]) -> None:
    """One object a line, out at once."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def table(rows: Sequence[Sequence[str]], indent: str = "") -> str:
    """Columns as wide as they must be; the last one as it comes."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def warn(text: str) -> None:
    """A line on stderr that is no error."""
    print(f"fwhelpers: {text}", file=sys.stderr, flush=True)
