"""The effective configuration: that of the files, with the helpers of firewalld's zones."""

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
    """Enable the helpers of zones. Helpers that the files enable keep the files' settings.

    `before` is `retained` of the previous configuration. Raises ConfigError if a helper's defaults are invalid.
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
    merged = replace(
        config, helpers=enabled, scope=ZoneAssignments(scope.members if acts else (), acts)
    )
    lasting = {n: former for n, former in before.items() if n in helpers and n not in off}
    return replace(merged, retained={**lasting, **_acting(merged, lasting)})


def _acting(config: Config, before: Mapping[str, HelperConfig]) -> dict[str, HelperConfig]:
    """Return the helpers that zones assign now, with all ports that zones have assigned to them."""
    acting = {}
    for name in dict.fromkeys(act.helper for act in config.scope.assignments):
        former = before[name].ports if name in before else ()
        ports = tuple(sorted({*former, *config.scope.ports(name)}))
        acting[name] = replace(
            config.helpers[name],
            ports=ports,
            interfaces=(),
            sources=(),
            destinations=(),
            general=False,
        )
    return acting
