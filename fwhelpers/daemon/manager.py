"""The life cycle of `fwhelpers run`: start, serve, apply changes, stop.

    read configuration and plugins → drop privileges → register helpers → addresses, providers → reconcile

A change comes from a reload, from a helper that is enabled or disabled at run time, or from a provider (firewalld,
NetworkManager). Each resolves the inputs to one configuration, and the reconciler applies it or keeps the former.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

from fwhelpers import config, ruleset
from fwhelpers.config import Config, UnresolvedConfig
from fwhelpers.config.overrides import apply_overrides
from fwhelpers.daemon import systemd
from fwhelpers.daemon.address_watch import AddressWatch
from fwhelpers.daemon.errors import StartError
from fwhelpers.daemon.event_log import EventLog
from fwhelpers.daemon.master_lifetimes import MasterLifetimes
from fwhelpers.daemon.notifications import NotificationHub
from fwhelpers.daemon.owned_table import OwnedTable, release_queues
from fwhelpers.daemon.privileges import drop_privileges
from fwhelpers.daemon.providers import Change, Providers
from fwhelpers.daemon.reconciler import Reconciler
from fwhelpers.daemon.replication_feed import ReplicationFeed
from fwhelpers.daemon.runtime_dir import RUNTIME, Lock
from fwhelpers.daemon.state import Snapshot, name_of
from fwhelpers.daemon.status import StatusPublisher
from fwhelpers.daemon.worker_config import third_parties
from fwhelpers.daemon.worker_pool import WorkerPool
from fwhelpers.dbus.service.control import Notification, NotificationKind
from fwhelpers.events.serialize import InstalledHelpers
from fwhelpers.events.stream import EventStream
from fwhelpers.firewalld import client as firewalld
from fwhelpers.kernel.nft import NftError
from fwhelpers.kernel.probe import has_net_admin
from fwhelpers.networkmanager import client as networkmanager
from fwhelpers.plugin.manager import Plugins, load
from fwhelpers.registration.cthelpers import CtHelperTable
from fwhelpers.registration.kernel_modules import load_modules
from fwhelpers.replication.records import Status
from fwhelpers.worker.messages import FlowReport, Message, ReportKind, Restarted

log = logging.getLogger("fwhelpers")

#: after these firewalld may have changed the kernel's state, so registration and rules are verified
_VERIFY: set[Change] = {firewalld.Change.RELOADED, firewalld.Change.STARTED}


@dataclass(frozen=True, slots=True)
class Inputs:
    """The sources of the configuration, except the providers."""

    files: UnresolvedConfig
    plugins: Plugins
    #: helpers enabled and disabled at run time, until the next reload
    overrides: Mapping[str, bool] = field(default_factory=dict)


class Manager:
    """`start`, `serve`, `stop`; all in one event loop."""

    def __init__(self, config_dir: Path, providers: Providers, runtime: Path = RUNTIME) -> None:
        self.events = EventStream()
        self.notifications = NotificationHub()
        self._config_dir = config_dir
        self._runtime = runtime
        self._providers = providers
        self._event_log = EventLog(self.name_of)
        self._notifier = systemd.Notifier(os.environ)
        self._status = StatusPublisher(self._notifier, runtime)
        self._store = systemd.FdStore(self._notifier, os.environ)
        self._workers = WorkerPool(self._on_worker_message, self._store, self.events.handover_of)
        self._table = OwnedTable(self._store)
        self._addresses = AddressWatch(self._workers.set_addresses)
        self._masters = MasterLifetimes()
        self._feed = ReplicationFeed(self.events, runtime)
        self._helpers = CtHelperTable()
        self._reconciler = Reconciler(self._workers, self._table, self._helpers)
        self._inputs: Inputs | None = None
        self._changing = asyncio.Lock()
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._following: asyncio.Task[None] | None = None
        self._lock: Lock | None = None

    # start

    async def start(self) -> None:
        """Raises StartError and the errors of the steps; `stop` then undoes the steps that were done."""
        inputs = self._read()
        resolved = self._resolve(inputs)
        if not has_net_admin():
            raise StartError(
                "CAP_NET_ADMIN is missing", "run as root, or under systemd with that capability"
            )
        installed = inputs.plugins.helpers
        by_kernel = [installed[n] for n, h in resolved.helpers.items() if h.backend == "kernel"]
        load_modules(third_parties(resolved.helpers.values()), by_kernel)
        self._lock = Lock(self._runtime)
        drop_privileges(*self._lock.paths)
        # before the providers are asked: firewalld's own rules may name a helper
        self._reconciler.register(inputs.plugins)
        await self._addresses.start()
        await self._providers.start()
        await self._apply(inputs)
        self._table.store_fd()
        release_queues(self._store)
        # what exists now stays: the collector need not look at it whenever events have made new objects
        gc.collect()
        gc.freeze()
        self._handle_signals()
        self._status.ready(self.state)

    def _handle_signals(self) -> None:
        # before the service is reported as ready: a SIGHUP may follow at once, and would end the process
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)

    def _read(self) -> Inputs:
        files = config.load(self._config_dir)
        plugins = load(blocked=files.daemon.blocked_plugins).with_discovery(files.rows)
        for problem in plugins.problems:
            log.warning("%s", problem)
        return Inputs(files, plugins)

    def _resolve(self, inputs: Inputs) -> Config:
        """Return the configuration of all sources. Raises ConfigError."""
        files = apply_overrides(inputs.files, inputs.overrides)
        resolved = config.resolve(files, inputs.plugins.helpers, inputs.plugins.missing_reasons())
        self._providers.require(resolved)
        applied = self._reconciler.applied
        lasting = applied.config.retained if applied is not None else {}
        return self._providers.apply(resolved, inputs.plugins.helpers, lasting)

    # serve

    async def serve(self) -> None:
        """Work until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        self._following = loop.create_task(self._follow_providers())
        stop = loop.create_task(self._stop.wait())
        pinging = loop.create_task(self._status.ping_watchdog(lambda: self._workers.supervised))
        while not self._stop.is_set():
            reload = loop.create_task(self._reload.wait())
            await asyncio.wait({stop, reload}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            reload.cancel()
            if self._reload.is_set():
                self._reload.clear()
                await self._try_reload()
            self._status.publish(self.state)
        pinging.cancel()

    async def _try_reload(self) -> None:
        try:
            await self.reload()
        except (config.ConfigError, StartError) as error:
            log.error("reload failed, keeping the former configuration: %s", error)
        except Exception:  # a bug must not end the service
            log.exception("reload failed, keeping the former configuration")

    # changes

    async def reload(self) -> None:
        """Read the files again and apply them; overrides are dropped.

        Raises ConfigError and StartError, with the former configuration active.
        """
        # one at a time: the end of another reload must not be reported as the end of this one
        async with self._changing:
            self._notifier.reloading()
            try:
                await self._apply(self._read(), verify=True)
            finally:
                self._status.ready(self.state)
        log.info("reloaded: %s", self._enabled())

    async def enable(self, name: str, enabled: bool) -> None:
        """Enable or disable a helper until the next reload. Raises as `reload`."""
        async with self._changing:
            assert self._inputs is not None
            overrides = {**self._inputs.overrides, name: enabled}
            await self._apply(replace(self._inputs, overrides=overrides))

    async def _follow_providers(self) -> None:
        async with aclosing(self._providers.changes()) as changes:
            async for change in changes:
                await self._on_provider_change(change)

    async def _on_provider_change(self, changes: set[Change]) -> None:
        text = ", ".join(sorted(change.value for change in changes))
        try:
            async with self._changing:
                assert self._inputs is not None
                verify = bool(_VERIFY & changes)
                changed = await self._apply(self._inputs, verify=verify)
        except (config.ConfigError, StartError) as error:
            log.error("%s: keeping the former configuration: %s", text, error)
            return
        except Exception:  # a bug must not be the last change that is followed
            log.exception("%s: keeping the former configuration", text)
            return
        if changed or networkmanager.Change.STARTED in changes:
            log.info("%s: %s", text, self._enabled())

    async def _apply(self, inputs: Inputs, *, verify: bool = False) -> bool:
        """Returns False if nothing had to change. Raises as `reload`."""
        former = self._reconciler.applied
        changed = await self._reconciler.reconcile(
            self._resolve(inputs), inputs.plugins, verify=verify
        )
        self._inputs = inputs
        if changed:
            self._announce(former)
        return changed

    def _announce(self, former: Snapshot | None) -> None:
        state = self.state
        helpers = {helper.kernel_name: helper for helper in state.plugins.helpers.values()}
        plugin_of = {name: p.name for p in state.plugins.plugins for name in p.helpers}
        self.events.set_installed(InstalledHelpers(helpers, plugin_of))
        self._masters.configure(helpers if state.config.daemon.keep_masters else ())
        self._feed.configure(state.config.replication is not None)
        self._status.publish(state)
        problems = former.problems if former is not None else {}
        for name, reason in state.problems.items() - problems.items():
            self._notify(NotificationKind.HELPER_FAILED, name, reason=reason)
        self._notify(NotificationKind.RULESET_REPLACED, helpers=list(state.helpers))

    def _notify(
        self, kind: NotificationKind, name: str = "", queue: int = 0, **details: object
    ) -> None:
        self.notifications.publish(Notification(kind, name, queue, details))

    async def register_again(self) -> None:
        """Restore registration and pins. Raises NetlinkError and NftError."""
        await self._reconciler.register_again()

    # state

    @property
    def state(self) -> Snapshot:
        """The active state; there is one after `start`."""
        assert self._reconciler.applied is not None
        return self._reconciler.applied

    @property
    def replication(self) -> Status | None:
        """The state of the replication; None if it is not configured."""
        return self._feed.status()

    def _enabled(self) -> str:
        return ", ".join(self.state.helpers) or "no helper enabled"

    def name_of(self, kernel_name: str) -> str:
        """Return a helper's name in the configuration."""
        applied = self._reconciler.applied
        return kernel_name if applied is None else name_of(applied.plugins, kernel_name)

    def _on_worker_message(self, queue: int, message: Message | Restarted) -> None:
        self._event_log.write(queue, message)
        self.events.on_worker_message(queue, message, time.monotonic())
        match message:
            case Restarted(reason):
                self._notify(NotificationKind.WORKER_RESTARTED, queue=queue, reason=reason)
            case FlowReport(ReportKind.FAILED, helper, reason=reason):
                name = self.name_of(helper)
                self._notify(NotificationKind.HELPER_FAILED, name, reason=reason)

    # stop

    async def stop(self) -> None:
        """Undo `start`, except the registration. Goes on after errors; safe after a start that failed half-way."""
        self._notifier.stopping()
        self._masters.stop()
        self._feed.close()
        await self._addresses.stop()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        started = self._reconciler.applied is not None
        if started and self._store.available and await asyncio.to_thread(systemd.is_restarting):
            await self._hand_over()
        else:
            await self._tear_down()
        self._event_log.close()
        if self._lock is not None:
            self._try(self._status.withdraw)
            self._lock.release()

    async def _hand_over(self) -> None:
        """Leave rules, queues and the packets in them to the next manager."""
        log.info("stopping; rules and queues are kept for the restart")
        self._try(
            self._helpers.disable_all
        )  # if no manager follows, the kernel must not wait for one
        await self._workers.hand_over()
        self._try(self._table.close)

    async def _tear_down(self) -> None:
        if self._reconciler.registered:
            self._try(self._helpers.disable_all)
        self._try(lambda: self._table.remove(ruleset.teardown()))
        await self._workers.shrink(0)
        self._try(lambda: release_queues(self._store))

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except (OSError, NftError) as error:
            log.error("stopping: %s", error)
