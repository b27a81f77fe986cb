"""The effective configuration: what the files say, and what firewalld's zones add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from fwhelpers.api import Helper
from fwhelpers.config import Config, default
from fwhelpers.scope import Scope


def with_scope(config: Config, helpers: Mapping[str, Helper], scope: Scope) -> Config:
    """A helper that acts somewhere by a zone is enabled there; one that the files enable keeps what they say.

    Raises ConfigError if a helper's own defaults are wrong.
    """
    off = config.disabled | set(config.firewalld.ignore)
    acts = tuple(act for act in scope.acts if act.helper in helpers and act.helper not in off)
    enabled = dict(config.helpers)
    for name in dict.fromkeys(act.helper for act in acts):
        if name not in enabled:
            made = default(helpers[name])
            enabled[name] = replace(made, fail=config.daemon.fail, general=False)
    return replace(config, helpers=enabled, scope=Scope(scope.members if acts else (), acts))
