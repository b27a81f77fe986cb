"""The effective configuration: what the files say, and what firewalld's zones add."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from fwhelpers.api import Helper
from fwhelpers.config import Config, HelperConfig, default
from fwhelpers.config.assignments import ZoneAssignments


def merge_zone_helpers(
    config: Config,
    helpers: Mapping[str, Helper],
    scope: ZoneAssignments,
    before: Mapping[str, HelperConfig] = MappingProxyType({}),
) -> Config:
    """A helper that acts somewhere by a zone is enabled there; one that the files enable keeps what they say.

    `before` is `retained` of the configuration until now. Raises ConfigError if a helper's own defaults are wrong.
    """
    off = config.disabled | set(config.firewalld.ignore)
    acts = tuple(
        act for act in scope.assignments if act.helper in helpers and act.helper not in off
    )
    enabled = dict(config.helpers)
    for name in dict.fromkeys(act.helper for act in acts):
        if name not in enabled:
            plain = default(helpers[name])
            enabled[name] = replace(plain, fail=config.daemon.fail, general=False)
    made = replace(
        config, helpers=enabled, scope=ZoneAssignments(scope.members if acts else (), acts)
    )
    lasting = {n: one for n, one in before.items() if n in helpers and n not in off}
    return replace(made, retained={**lasting, **_acting(made, lasting)})


def _acting(config: Config, before: Mapping[str, HelperConfig]) -> dict[str, HelperConfig]:
    """The helpers that act by zones now, at all ports that zones have given them."""
    found = {}
    for name in dict.fromkeys(act.helper for act in config.scope.assignments):
        former = before[name].ports if name in before else ()
        ports = tuple(sorted({*former, *config.scope.ports(name)}))
        found[name] = replace(
            config.helpers[name], ports=ports, interfaces=(), sources=(), destinations=(),
            general=False,
        )  # fmt: skip
    return found
