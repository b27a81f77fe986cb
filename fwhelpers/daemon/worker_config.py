"""The workers' configuration, derived from the effective one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fwhelpers.config import Config, HelperConfig
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.plugin.manager import Plugins
from fwhelpers.worker.config import WorkerConfig


def make_worker_config(config: Config, helpers: Iterable[str], plugins: Plugins) -> WorkerConfig:
    """What workers are told when these of the helpers that are to be inspected are in force."""
    inspected = config.inspected
    return WorkerConfig(
        {name: _helper(inspected[name]) for name in helpers},
        tuple(config.daemon.blocked_plugins),
        plugins.identity(),
        disable_at_end=config.daemon.steering == "helper",
        rows=config.rows,
    )


def _helper(given: HelperConfig) -> dict[str, Any]:
    settings = {**given.settings, "destinations": given.destinations}
    return {"settings": settings, "limits": limits(given.guard)}


def limits(given: Any) -> Limits:
    """Make the guard's limits of a checked `[helpers.NAME.guard]` table."""
    values = dict(given)
    if "allow_ports" in values:
        values["allow_ports"] = frozenset(values["allow_ports"])
    if "addresses" in values:
        values["addresses"] = tuple(
            Prefix(network.network_address.packed, network.prefixlen)
            for network in values["addresses"]
        )
    return Limits(**values)
