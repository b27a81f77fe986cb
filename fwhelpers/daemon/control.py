"""The daemon as clients know it, and its way onto the bus."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fwhelpers import __version__
from fwhelpers.api import Helper
from fwhelpers.config import ConfigError
from fwhelpers.daemon.dropin import DropIn, DropInError
from fwhelpers.daemon.errors import StartError
from fwhelpers.dbus import names
from fwhelpers.dbus.service.control import ControlError, Notification, NotificationKind, Values
from fwhelpers.dbus.service.methods import no_such_helper
from fwhelpers.dbus.service.server import Server
from fwhelpers.events.serialize import InstalledHelpers
from fwhelpers.events.stream import EventStream
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import NftError
from fwhelpers.kernel.probe import probe
from fwhelpers.ruleset import TABLE
from fwhelpers.worker.messages import FlowReport, Message, ReportKind, Restarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from fwhelpers.daemon.manager import Manager

log = logging.getLogger("fwhelpers")


class DaemonControl:
    """`control.Control` over a daemon. `start` when it is up, `stop` before it goes down."""

    def __init__(self, daemon: Manager, config_dir: Path) -> None:
        self._daemon = daemon
        self._drop_in = DropIn(config_dir)
        self._switching = asyncio.Lock()
        self._probing = asyncio.Lock()
        self.events = EventStream()
        self._bus: asyncio.Task[None] | None = None
        self._listeners: list[Callable[[Notification], None]] = []
        daemon.on_message = self._on_worker_message
        daemon.listen(self._tell)

    def start(self) -> None:
        """Listen to the kernel's events and go to the bus; whatever fails is told, the daemon goes on."""
        self._know()
        try:
            self.events.start()
        except (NetlinkError, OSError) as error:
            log.error(
                "no events of expectations, so `monitor` and D-Bus tell of refusals only: %s", error
            )
        self._bus = asyncio.get_running_loop().create_task(Server(self, self.events).run())

    async def stop(self) -> None:
        """Leave the bus."""
        if self._bus is not None:
            self._bus.cancel()
            await asyncio.gather(self._bus, return_exceptions=True)
            self.events.close()
            self._bus = None

    def _on_worker_message(self, queue: int, message: Message | Restarted) -> None:
        self.events.on_worker_message(queue, message, time.monotonic())
        match message:
            case Restarted(reason):
                kind = NotificationKind.WORKER_RESTARTED
                self._tell(Notification(kind, queue=queue, details={"reason": reason}))
            case FlowReport(ReportKind.FAILED, helper, reason=reason):
                name = self._daemon.name_of(helper)
                kind = NotificationKind.HELPER_FAILED
                self._tell(Notification(kind, name, details={"reason": reason}))

    def _tell(self, news: Notification) -> None:
        if news.kind == NotificationKind.RULESET_REPLACED:
            self._know()
        for listener in self._listeners:
            listener(news)

    def _know(self) -> None:
        plugins = self._daemon.state.plugins
        helpers = {h.kernel_name: h for h in plugins.helpers.values()}
        origin = {name: p.name for p in plugins.plugins for name in p.helpers}
        self.events.set_installed(InstalledHelpers(helpers, origin))

    # Control

    def listen(self, listener: Callable[[Notification], None]) -> None:
        self._listeners.append(listener)

    def summary(self) -> Values:
        state = self._daemon.state
        return {
            "version": __version__, "enabled": list(state.config.helpers),
            "problems": dict(state.problems), "steering": state.config.daemon.steering,
            "fail": state.config.daemon.fail,
        }  # fmt: skip

    def helpers(self) -> list[Values]:
        state = self._daemon.state
        totals = state.workers.totals()
        return [
            self._helper(helper, totals.get(helper.kernel_name, Counter()))
            for helper in state.plugins.helpers.values()
        ]

    def _helper(self, helper: Helper, counters: Counter[str]) -> Values:
        state = self._daemon.state
        given = state.config.helpers.get(helper.name)
        plugin = next((p for p in state.plugins.plugins if helper.name in p.helpers), None)
        problem = state.problems.get(helper.name, "")
        return {
            "name": helper.name, "kernel_name": helper.kernel_name, "enabled": given is not None,
            "registered": not problem, "problem": problem, "description": helper.doc,
            "specification": helper.spec, "outgoing": helper.outgoing,
            "plugin": plugin.name if plugin else "",
            "distribution": plugin.distribution if plugin else "",
            "version": plugin.version if plugin else "",
            "transports": list(helper.l4s), "default_ports": list(helper.ports),
            "ports": list(given.ports if given else helper.ports),
            "families": list(given.families if given else helper.families),
            "interfaces": list(given.interfaces) if given else [],
            "fail": given.fail if given else state.config.daemon.fail,
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
        return list(self._daemon.state.plugins.describe())

    def workers(self) -> list[Values]:
        return [
            {**status, "pid": status["pid"] or 0} for status in self._daemon.state.workers.status()
        ]

    async def enable(self, name: str, enabled: bool, persist: bool) -> Values:
        async with self._switching:
            self._check(name)
            former = dict(self._daemon.switches)
            before = self._keep(name, enabled) if persist else None
            self._daemon.switches[name] = enabled
            try:
                await self._go_over(self._daemon.refresh)
            except BaseException:
                self._daemon.switches = former
                if persist:
                    self._restore(before)
                raise
        log.info("%s: %s", name, "enabled" if enabled else "disabled")
        kept = str(self._drop_in.path) if persist else ""
        return {"name": name, "enabled": enabled, "persisted": kept}

    def _check(self, name: str) -> None:
        plugins = self._daemon.state.plugins
        if name not in plugins.helpers:
            why = plugins.absent().get(name, "it is not installed")
            text = no_such_helper(name, plugins.helpers, why)
            raise ControlError(names.NO_SUCH_HELPER, text)

    def _keep(self, name: str, enabled: bool) -> bytes | None:
        try:
            return self._drop_in.add(name, enabled)
        except DropInError as error:
            raise ControlError(names.NOT_PERSISTED, str(error)) from None

    def _restore(self, before: bytes | None) -> None:
        try:
            self._drop_in.restore(before)
        except DropInError as error:
            log.error("%s; it says what is not in force", error)

    async def reload(self) -> Values:
        async with self._switching:
            await self._go_over(self._daemon.reload)
        return {"helpers": list(self._daemon.state.config.helpers)}

    async def _go_over(self, step: Callable[[], Any]) -> None:
        try:
            await step()
        except ConfigError as error:
            raise ControlError(names.BAD_CONFIGURATION, str(error)) from None
        except StartError as error:
            raise ControlError(names.NOT_APPLIED, str(error)) from None

    def ruleset(self) -> str:
        try:
            return self._daemon.state.nft.run(f"list table inet {TABLE}")
        except NftError as error:
            raise ControlError(names.FAILED, str(error)) from None

    async def probe(self) -> list[Values]:
        async with self._probing:  # it takes a queue for itself
            findings = await asyncio.to_thread(probe)
        return [one._asdict() for one in findings]
