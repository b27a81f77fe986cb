"""Derives the workers' configuration from the effective one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from fwhelpers.config import Config
from fwhelpers.config.model import HelperConfig
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.engine.registry import MAX_ALIVE
from fwhelpers.plugin.manager import Plugins
from fwhelpers.worker.config import HelperOptions, WorkerConfig

_KERNEL_MAX = Path("/proc/sys/net/netfilter/nf_conntrack_expect_max")

#: expectations of one worker, however many there are: a quarter is one client's share (engine.registry)
_LEAST = 256


def make_worker_config(
    config: Config, helpers: Iterable[str], plugins: Plugins, workers: int
) -> WorkerConfig:
    """Return the configuration of each of a number of workers that inspect these helpers."""
    inspected = config.inspected
    return WorkerConfig(
        {
            name: HelperOptions(
                {**inspected[name].settings, "destinations": inspected[name].destinations},
                limits(inspected[name].guard),
            )
            for name in helpers
        },
        tuple(config.daemon.blocked_plugins),
        plugins.identity(),
        plugins.plugins,
        disable_at_end=config.daemon.steering == "helper",
        rows=config.rows,
        max_expectations=max_expectations(workers, kernel_max()),
    )


def max_expectations(workers: int, kernel: int) -> int:
    """Return the number of expectations for each worker: of all together at most half of the kernel's table (G9)."""
    return max(1, min(max(MAX_ALIVE // workers, _LEAST), kernel // 2 // workers))


def kernel_max() -> int:
    """Return the size of the kernel's expectation table, or a small one if it can't be read."""
    try:
        return int(_KERNEL_MAX.read_text())
    except (OSError, ValueError):
        return MAX_ALIVE


def limits(guard: Mapping[str, Any]) -> Limits:
    """Return the guard's limits of a validated `[helpers.NAME.guard]` table."""
    values = dict(guard)
    if "allow_ports" in values:
        values["allow_ports"] = frozenset(values["allow_ports"])
    if "addresses" in values:
        values["addresses"] = tuple(
            Prefix(network.network_address.packed, network.prefixlen)
            for network in values["addresses"]
        )
    return Limits(**values)


def third_parties(configs: Iterable[HelperConfig]) -> bool:
    """Return whether a helper may expect connections from or to hosts that only its messages name."""
    return any(
        config.backend == "user" and limits(config.guard).scope != "peer" for config in configs
    )
