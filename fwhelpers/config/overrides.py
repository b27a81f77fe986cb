"""Helpers enabled or disabled at run time, and the drop-in file that makes the change persistent.

[helpers.ftp]
enabled = false
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace

from fwhelpers.config.model import UnresolvedConfig
from fwhelpers.config.schema import toml

#: in conf.d/; its name sorts last, as the later file wins
FILE = "zz-enabled.toml"

_HEADER = """\
# Written by `fwhelpers enable` and `fwhelpers disable` (or the same over D-Bus). The service overwrites
# this file: keep your own settings in other files. Delete it to return to the other files' settings.
"""


def apply_overrides(draft: UnresolvedConfig, overrides: Mapping[str, bool]) -> UnresolvedConfig:
    """Return the draft with some helpers enabled or disabled, whatever the files say."""
    helpers = draft.tables.get("helpers", {})
    if not overrides or not isinstance(helpers, dict):
        return draft
    tables = dict(helpers)
    for name, enabled in overrides.items():
        table = tables.get(name, {})
        if isinstance(table, dict):
            tables[name] = {**table, "enabled": enabled}
    return replace(draft, tables={**draft.tables, "helpers": tables})


def render(overrides: Mapping[str, bool]) -> str:
    """Return the text of the drop-in."""
    tables = [
        f"\n[helpers.{toml(name)}]\nenabled = {toml(enabled)}\n"
        for name, enabled in sorted(overrides.items())
    ]
    return _HEADER + "".join(tables)


def parse(text: str) -> dict[str, bool]:
    """Parse a drop-in; anything but `enabled` is ignored. Raises ValueError on invalid TOML."""
    helpers = tomllib.loads(text).get("helpers", {})
    if not isinstance(helpers, dict):
        return {}
    return {
        name: table["enabled"]
        for name, table in helpers.items()
        if isinstance(table, dict) and isinstance(table.get("enabled"), bool)
    }
