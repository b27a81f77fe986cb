"""Implements the D-Bus service's `Control` protocol over the manager, and connects it to the bus."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fwhelpers import __version__
from fwhelpers.api import Helper
from fwhelpers.config import ConfigError
from fwhelpers.daemon import takeover_record
from fwhelpers.daemon.dropin import DropIn, DropInError
from fwhelpers.daemon.errors import StartError
from fwhelpers.dbus import names
from fwhelpers.dbus.service.control import ControlError, Notification, Values
from fwhelpers.dbus.service.methods import no_such_helper
from fwhelpers.dbus.service.server import Server
from fwhelpers.events.rates import PERIOD, RateSampler
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import NftError
from fwhelpers.kernel.probe import probe
from fwhelpers.ruleset import TABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fwhelpers.daemon.manager import Manager

log = logging.getLogger("fwhelpers")


class DaemonControl:
    """Started after the manager, and stopped before it."""

    def __init__(self, manager: Manager, config_dir: Path) -> None:
        self._manager = manager
        self._drop_in = DropIn(config_dir)
        self._switching = asyncio.Lock()
        self._probing = asyncio.Lock()
        self.events = manager.events
        self._bus: asyncio.Task[None] | None = None
        self._sampling: asyncio.Task[None] | None = None
        self._started = time.time()
        self._rates = RateSampler()

    def start(self) -> None:
        """Subscribe to the kernel's events and connect to the bus; an error is logged."""
        try:
            self.events.start()
        except (NetlinkError, OSError) as error:
            log.error("no expectation events, `monitor` and D-Bus report refusals only: %s", error)
        loop = asyncio.get_running_loop()
        self._bus = loop.create_task(Server(self, self.events).run())
        self._sampling = loop.create_task(self._sample())

    async def _sample(self) -> None:
        while True:
            self._rates.add(self._totals(), time.monotonic())
            await asyncio.sleep(PERIOD)

    def _totals(self) -> dict[tuple[str, str], dict[str, float]]:
        state = self._manager.state
        totals: dict[tuple[str, str], dict[str, float]] = {
            ("helper", helper): {**counters} for helper, counters in state.totals().items()
        }
        for worker in state.workers.status():
            values = {key: worker[key] for key in ("packets", "overflows", "cpu_seconds")}
            totals["worker", str(worker["queue"])] = values
        return totals

    async def stop(self) -> None:
        if self._bus is not None and self._sampling is not None:
            self._bus.cancel()
            self._sampling.cancel()
            await asyncio.gather(self._bus, self._sampling, return_exceptions=True)
            self.events.close()
            self._bus = None

    # Control

    def listen(self, listener: Callable[[Notification], None]) -> None:
        self._manager.notifications.subscribe(listener)

    def summary(self) -> Values:
        state = self._manager.state
        return {
            "version": __version__, "enabled": list(state.config.helpers),
            "problems": dict(state.problems), "steering": state.config.daemon.steering,
            "fail_mode": state.config.daemon.fail, "started": self._started,
        }  # fmt: skip

    def helpers(self) -> list[Values]:
        state = self._manager.state
        totals = state.workers.totals()
        return [
            self._helper(helper, totals.get(helper.kernel_name, Counter()))
            for helper in state.plugins.helpers.values()
        ]

    def _helper(self, helper: Helper, counters: Counter[str]) -> Values:
        state = self._manager.state
        options = state.config.helpers.get(helper.name)
        plugin = next((p for p in state.plugins.plugins if helper.name in p.helpers), None)
        problem = state.problems.get(helper.name, "")
        return {
            "name": helper.name, "kernel_name": helper.kernel_name, "enabled": options is not None,
            "registered": not problem, "problem": problem, "description": helper.doc,
            "backend": options.backend if options else "user" if helper.parser else "kernel",
            "specification": helper.spec, "outgoing": helper.outgoing,
            "plugin": plugin.name if plugin else "",
            "distribution": plugin.distribution if plugin else "",
            "version": plugin.version if plugin else "",
            "transports": list(helper.l4s), "default_ports": list(helper.ports),
            "ports": list(options.ports if options else helper.ports),
            "families": list(options.families if options else helper.families),
            "interfaces": list(options.interfaces) if options else [],
            "fail_mode": options.fail if options else state.config.daemon.fail,
            "policies": [
                {"name": p.name, "max": p.max, "timeout": p.timeout, "min_port": p.min_port}
                for p in helper.policies
            ],
            "settings": [
                {"name": s.name, "default": str(s.default), "description": s.doc}
                for s in helper.settings
            ],
            "counters": dict(counters),
        }  # fmt: skip

    def plugins(self) -> list[Values]:
        return list(self._manager.state.plugins.describe())

    def workers(self) -> list[Values]:
        return [
            {**status, "pid": status["pid"] or 0} for status in self._manager.state.workers.status()
        ]

    def rates(self) -> Mapping[tuple[str, str], Mapping[str, float]]:
        return self._rates.rates(self._totals(), time.monotonic())

    def last_takeover(self) -> Values | None:
        takeovers = takeover_record.read().takeovers
        return {"time": takeovers[-1].time, **takeovers[-1].totals()} if takeovers else None

    def replication(self) -> Values | None:
        status = self._manager.replication
        if status is None:
            return None
        return {
            "connected": status.connected, "lag": status.lag, "received": status.received,
            "confirmed": status.confirmed,
        }  # fmt: skip

    async def enable(self, name: str, enabled: bool, persist: bool) -> Values:
        async with self._switching:
            self._check(name)
            former = self._persist(name, enabled) if persist else None
            try:
                await _apply(self._manager.enable(name, enabled))
            except BaseException:
                if persist:
                    self._restore(former)
                raise
        log.info("%s: %s", name, "enabled" if enabled else "disabled")
        path = str(self._drop_in.path) if persist else ""
        return {"name": name, "enabled": enabled, "drop_in": path}

    def _check(self, name: str) -> None:
        plugins = self._manager.state.plugins
        if name not in plugins.helpers:
            why = plugins.missing_reasons().get(name, "it is not installed")
            text = no_such_helper(name, plugins.helpers, why)
            raise ControlError(names.NO_SUCH_HELPER, text)

    def _persist(self, name: str, enabled: bool) -> bytes | None:
        try:
            return self._drop_in.add(name, enabled)
        except DropInError as error:
            raise ControlError(names.NOT_PERSISTED, str(error)) from None

    def _restore(self, former: bytes | None) -> None:
        try:
            self._drop_in.restore(former)
        except DropInError as error:
            log.error("%s; the drop-in now disagrees with the running configuration", error)

    async def reload(self) -> Values:
        async with self._switching:
            await _apply(self._manager.reload())
        return {"helpers": list(self._manager.state.config.helpers)}

    def ruleset(self) -> str:
        try:
            return self._manager.state.nft.run(f"list table inet {TABLE}")
        except NftError as error:
            raise ControlError(names.FAILED, str(error)) from None

    async def probe(self) -> list[Values]:
        async with self._probing:  # it binds a queue of its own
            findings = await asyncio.to_thread(probe)
        return [finding._asdict() for finding in findings]


async def _apply(change: Awaitable[None]) -> None:
    try:
        await change
    except ConfigError as error:
        raise ControlError(names.INVALID_CONFIGURATION, str(error)) from None
    except StartError as error:
        raise ControlError(names.NOT_APPLIED, str(error)) from None
