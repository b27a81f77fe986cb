"""What a worker is told. A module of its own: pickle names classes by module, and the worker's own is `__main__`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fwhelpers.config import Config, HelperConfig
from fwhelpers.discovery import Row
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.plugins import Plugins

MAX_CONTROL = 1 << 20  #: bytes of a message between manager and worker

#: instead of an order: end now, and leave what waits in the queue to a successor
LEAVE = b"leave"


@dataclass(frozen=True, slots=True)
class Order:
    """What the manager tells a worker to do: which helpers to run, how configured."""

    helpers: dict[str, dict[str, Any]]  #: helper name -> settings, limits
    blocked: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()  #: what is installed; a worker that is shut in can't load others
    rows: tuple[Row, ...] = field(default=())  #: the configuration's own discovery protocols
    #: steering "helper": without a listener the kernel confirms nothing, so disable them when the manager is gone
    disable_at_end: bool = False

    def same_code(self, other: Order) -> bool:
        """Can a worker with the one go over to the other?"""
        mine, theirs = (
            (self.blocked, self.plugins, self.rows),
            (other.blocked, other.plugins, other.rows),
        )
        return mine == theirs


def make_order(config: Config, helpers: Iterable[str], plugins: Plugins) -> Order:
    """What workers are told when these of the helpers that are to be inspected are in force."""
    inspected = config.inspected
    return Order(
        {name: _helper(inspected[name]) for name in helpers},
        tuple(config.daemon.blocked_plugins),
        plugins.identity(),
        disable_at_end=config.daemon.steering == "helper",
        rows=config.rows,
    )


def _helper(given: HelperConfig) -> dict[str, Any]:
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
