"""Helpers that were enabled or disabled while the service runs, and the drop-in file that keeps it.

[helpers.ftp]
enabled = false
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace

from fwhelpers.config import UnresolvedConfig
from fwhelpers.config.schema import toml

#: below conf.d/; the last by name, as the later file wins
FILE = "zz-enabled.toml"

_HEAD = """\
# Written by `fwhelpers enable` and `fwhelpers disable` (or the same over D-Bus). The service writes it anew each time:
# keep settings of your own in other files. Without this file the other files say what is enabled.
"""


def apply_overrides(draft: UnresolvedConfig, switches: Mapping[str, bool]) -> UnresolvedConfig:
    """The same with some helpers enabled or disabled, whatever the files say."""
    helpers = draft.tables.get("helpers", {})
    if not switches or not isinstance(helpers, dict):
        return draft
    switched = dict(helpers)
    for name, enabled in switches.items():
        table = switched.get(name, {})
        if isinstance(table, dict):
            switched[name] = {**table, "enabled": enabled}
    return replace(draft, tables={**draft.tables, "helpers": switched})


def render(switches: Mapping[str, bool]) -> str:
    """The text of the drop-in."""
    tables = [
        f"\n[helpers.{toml(name)}]\nenabled = {toml(enabled)}\n"
        for name, enabled in sorted(switches.items())
    ]
    return _HEAD + "".join(tables)


def parse(text: str) -> dict[str, bool]:
    """Read it back; what is no switch is left out. Raises ValueError for what is no TOML."""
    helpers = tomllib.loads(text).get("helpers", {})
    if not isinstance(helpers, dict):
        return {}
    return {
        name: table["enabled"]
        for name, table in helpers.items()
        if isinstance(table, dict) and isinstance(table.get("enabled"), bool)
    }
