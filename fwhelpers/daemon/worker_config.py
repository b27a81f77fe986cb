"""Derives the workers' configuration from the effective one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fwhelpers.config import Config, HelperConfig
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.plugin.manager import Plugins
from fwhelpers.worker.config import HelperOptions, WorkerConfig


def make_worker_config(config: Config, helpers: Iterable[str], plugins: Plugins) -> WorkerConfig:
    """`helpers`: those of `config.inspected` that the kernel accepted."""
    inspected = config.inspected
    return WorkerConfig(
        {name: _options(inspected[name]) for name in helpers},
        tuple(config.daemon.blocked_plugins),
        plugins.identity(),
        disable_at_end=config.daemon.steering == "helper",
        rows=config.rows,
    )


def _options(helper: HelperConfig) -> HelperOptions:
    settings = {**helper.settings, "destinations": helper.destinations}
    return HelperOptions(settings, limits(helper.guard))


def limits(guard: Mapping[str, Any]) -> Limits:
    """The guard's limits of a validated `[helpers.NAME.guard]` table."""
    values = dict(guard)
    if "allow_ports" in values:
        values["allow_ports"] = frozenset(values["allow_ports"])
    if "addresses" in values:
        values["addresses"] = tuple(
            Prefix(network.network_address.packed, network.prefixlen)
            for network in values["addresses"]
        )
    return Limits(**values)
