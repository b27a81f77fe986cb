"""What a worker is told. A module of its own: pickle names classes by module, and the worker's own is `__main__`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fwhelpers.config import Config
from fwhelpers.discovery import Row
from fwhelpers.engine.guard import Limits, Prefix

MAX_CONTROL = 1 << 20  #: bytes of a message between manager and worker


@dataclass(frozen=True, slots=True)
class Order:
    """What the manager tells a worker to do: which helpers to run, how configured."""

    helpers: dict[str, dict[str, Any]]  #: helper name -> settings, limits
    blocked: tuple[str, ...] = ()
    rows: tuple[Row, ...] = field(default=())  #: the configuration's own discovery protocols
    #: steering "helper": without a listener the kernel confirms nothing, so disable them when the manager is gone
    disable_at_end: bool = False


def make_order(config: Config, helpers: Iterable[str]) -> Order:
    """What workers are told when these of the configured helpers are in force."""
    return Order(
        {name: _helper(config, name) for name in helpers},
        tuple(config.daemon.blocked_plugins),
        disable_at_end=config.daemon.steering == "helper",
        rows=config.rows,
    )


def _helper(config: Config, name: str) -> dict[str, Any]:
    given = config.helpers[name]
    return {"settings": dict(given.settings), "limits": limits(given.guard)}


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
