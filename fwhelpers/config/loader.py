"""Loads the configuration: TOML files -> frozen dataclasses.

    draft = load(directory)            merged files; plugins are not loaded yet
    config = resolve(draft, helpers)   raises ConfigError with all problems

`fwhelpers.toml` is read first, then `conf.d/*.toml` by name. They are merged key by key; the later
file wins. `schema` lists all keys.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fwhelpers.api import Helper
from fwhelpers.config.files import DIRECTORY, ConfigError, Problem, merge, read_files
from fwhelpers.config.model import Config, FirewalldConfig, HelperConfig, UnresolvedConfig
from fwhelpers.config.schema import FIREWALLD
from fwhelpers.config.tables import TableValidator
from fwhelpers.discovery import taken, with_rows


def load(path: Path = DIRECTORY) -> UnresolvedConfig:
    """Read a configuration directory or a single file. Problems are kept for `resolve`."""
    return parse(read_files(path))


def parse(files: Iterable[tuple[str, str | Problem]]) -> UnresolvedConfig:
    """Merge files passed as (name, text), or as (name, problem) if the file could not be read."""
    tables: dict[str, Any] = {}
    validator = TableValidator({})
    for name, text in files:
        if isinstance(text, Problem):
            validator.problems.append(text)
            continue
        try:
            merge(tables, tomllib.loads(text), name, validator.origins)
        except (
            ValueError,
            RecursionError,
        ) as error:  # an integer of 4301 digits: a plain ValueError
            message = str(error) if isinstance(error, ValueError) else "nested too deeply"
            hint = "see https://toml.io for the syntax"
            validator.problems.append(Problem(name, "", message, hint))
    daemon = validator.daemon(tables)
    rows = tuple(validator.rows(tables))
    options = validator.table(("firewalld",), tables.get("firewalld", {}), FIREWALLD)
    replication = validator.replication(tables)
    return UnresolvedConfig(
        daemon,
        tables,
        validator.origins,
        tuple(validator.problems),
        rows,
        FirewalldConfig(**options),
        replication,
    )


def resolve(
    draft: UnresolvedConfig,
    helpers: Mapping[str, Helper],
    missing_reasons: Mapping[str, str] | None = None,
) -> Config:
    """Check the helpers' tables against the installed helpers.

    `missing_reasons` explains by name why a plugin does not provide a helper.
    Raises ConfigError with all problems, those of the draft included.
    """
    validator = TableValidator(draft.origins, draft.problems)
    for row in draft.rows:
        if taken(row, helpers):
            message = "an installed helper has this name"
            validator.report(("discovery", row.name), message, "choose another name")
    helpers = with_rows(helpers, draft.rows)
    enabled = dict(validator.helpers(draft, helpers, missing_reasons or {}))
    validator.check_conflicts(enabled, helpers)
    if validator.problems:
        raise ConfigError(dict.fromkeys(validator.problems))
    return Config(
        draft.daemon, enabled, draft.rows, draft.firewalld, draft.replication, _disabled(draft)
    )


def _disabled(draft: UnresolvedConfig) -> frozenset[str]:
    tables = draft.tables.get("helpers", {}).items()
    return frozenset(n for n, t in tables if isinstance(t, dict) and t.get("enabled") is False)


def default(helper: Helper) -> HelperConfig:
    """Return the configuration of a helper with an empty table. Raises ConfigError."""
    if not helper.ports:
        return HelperConfig(helper.name, ())
    draft = parse([("defaults", f'[helpers."{helper.name}"]')])
    return resolve(draft, {helper.name: helper}).helpers[helper.name]
