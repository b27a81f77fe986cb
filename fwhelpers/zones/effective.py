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
    acts = tuple(
        a for a in scope.acts if a.helper in helpers and a.helper not in config.firewalld.ignore
    )
    enabled = dict(config.helpers)
    for name in dict.fromkeys(act.helper for act in acts):
        if name not in enabled:
            made = default(helpers[name])
            enabled[name] = replace(made, fail=config.daemon.fail, general=False)
    return replace(config, helpers=enabled, scope=Scope(scope.members if acts else (), acts))
