"""`fwhelpers run`: bring everything up in order, keep it up, take it down in reverse.

    config, plugins → rights → registration → queues → workers ready → ruleset          and back

The ruleset is the last to come and the first to go, so that no packet is ever sent to a queue that nobody serves.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

from fwhelpers import config, ruleset
from fwhelpers.api import Helper
from fwhelpers.config import Config, UnresolvedConfig
from fwhelpers.config.overrides import apply_overrides
from fwhelpers.config.schema import MAX_WORKERS
from fwhelpers.daemon import systemd
from fwhelpers.daemon.errors import StartError
from fwhelpers.daemon.event_log import EventLog
from fwhelpers.daemon.owned_table import OwnedTable, release_queues
from fwhelpers.daemon.privileges import drop_privileges
from fwhelpers.daemon.runtime_dir import RUNTIME, Lock
from fwhelpers.daemon.state import Snapshot, name_of
from fwhelpers.daemon.status import StatusPublisher
from fwhelpers.daemon.supervisor import OnMessage
from fwhelpers.daemon.worker_config import make_worker_config
from fwhelpers.daemon.worker_pool import WorkerPool
from fwhelpers.dbus.service.control import Notification, NotificationKind
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import NftError
from fwhelpers.kernel.probe import has_net_admin
from fwhelpers.plugin.manager import Plugins, load
from fwhelpers.registration.cthelpers import CtHelperTable
from fwhelpers.registration.kernel_modules import load_modules
from fwhelpers.registration.register import register
from fwhelpers.worker.messages import Message, Restarted

log = logging.getLogger("fwhelpers")


class Manager:
    """The manager. `start`, `serve`, `stop`; all in one event loop."""

    def __init__(self, config_dir: Path, runtime: Path = RUNTIME) -> None:
        self._config_dir = config_dir
        self._runtime = runtime
        self._logbook = EventLog(self.name_of)
        self._notify = systemd.Notifier(os.environ)
        self._presence = StatusPublisher(self._notify, runtime)
        self._store = systemd.FdStore(self._notify, os.environ)
        self._fleet = WorkerPool(self._on_worker_message, self._store)
        self._rules = OwnedTable(self._store)
        self._registry = CtHelperTable()
        self._problems: dict[str, str] = {}
        #: helpers enabled and disabled at run time, until the next reload
        self.switches: dict[str, bool] = {}
        #: what turns the files' configuration into the one for now
        self.adjust: Callable[[Config, Mapping[str, Helper]], Config] = lambda config, _: config
        #: awaited at the start, before rules are made: `adjust` may know more then
        self.prepare: Callable[[], Awaitable[None]] = _nothing
        self.on_message: OnMessage = lambda queue, message: None
        self._listeners: list[Callable[[Notification], None]] = []
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._applying = asyncio.Lock()
        self._lock: Lock | None = None
        self._registered = self._started = False

    # up

    async def start(self) -> None:
        """Bring all up. Raises StartError; what was begun is then undone by `stop`."""
        self._draft, self._plugins = self._read()
        self._config = self._resolve(self._draft, self._plugins)
        if not has_net_admin():
            raise StartError(
                "CAP_NET_ADMIN is missing", "run as root, or under systemd with that capability"
            )
        load_modules()
        self._lock = Lock(self._runtime)
        drop_privileges(*self._lock.paths)
        self._register()
        await self.prepare()
        self._config = self._resolve(self._draft, self._plugins)
        self._grow()
        await self._configure_workers()
        self._steer()
        self._rules.store_fd()
        release_queues(self._store)
        self._started = True
        self._presence.ready(self.state)

    def _read(self) -> tuple[UnresolvedConfig, Plugins]:
        draft = config.load(self._config_dir)
        plugins = load(blocked=draft.daemon.blocked_plugins).plus(draft.rows)
        for problem in plugins.problems:
            log.warning("%s", problem)
        return draft, plugins

    def _resolve(self, draft: UnresolvedConfig, plugins: Plugins) -> Config:
        switched = apply_overrides(draft, self.switches)
        resolved = config.resolve(switched, plugins.helpers, plugins.absent())
        return self.adjust(resolved, plugins.helpers)

    def _register(self) -> None:
        self._problems = register(self._plugins.helpers, self._rules.nft)
        self._registered = True
        for name, why in self._problems.items():
            log.error("%s: not registered: %s", name, why)
            self._tell(Notification(NotificationKind.HELPER_FAILED, name, details={"reason": why}))

    async def register_again(self) -> None:
        """Register and pin what is installed, as at the start. Raises NetlinkError and NftError."""
        async with self._applying:
            self._register()

    def _grow(self) -> None:
        daemon = self._config.daemon
        self._fleet.grow(daemon.queues, worker_count(self._config), daemon.fail == "open")

    async def _configure_workers(self) -> None:
        try:
            await self._fleet.configure(
                make_worker_config(self._config, self.state.inspected, self._plugins)
            )
        except TimeoutError:
            raise StartError("a worker did not get ready", "see its messages above") from None

    def _steer(self) -> None:
        first = self._config.daemon.queues
        queues = range(first, first + worker_count(self._config))
        self._rules.load(ruleset.build(self._config, self.state.inspected, queues))
        if self._config.daemon.steering == "helper":
            for n, helper in enumerate(self.state.inspected.values()):
                self._registry.enable(helper, queues[n % len(queues)])
        else:
            self._registry.disable_all()

    # running

    async def serve(self) -> None:
        """Work until told to stop."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)
        stop = loop.create_task(self._stop.wait())
        feeder = loop.create_task(self._presence.ping_watchdog(lambda: self._fleet.supervised))
        while not self._stop.is_set():
            reload = loop.create_task(self._reload.wait())
            await asyncio.wait({stop, reload}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            reload.cancel()
            if self._reload.is_set():
                self._reload.clear()
                await self._try_reload()
            self._presence.publish(self.state)
        feeder.cancel()

    async def _try_reload(self) -> None:
        try:
            await self.reload()
        except (config.ConfigError, StartError) as error:
            log.error("reload: %s; the former configuration stays in force", error)

    async def reload(self) -> None:
        """Read the configuration again and go over to it; what was switched at run time is forgotten.

        Raises ConfigError and StartError; the former configuration is in force then.
        """
        former = self.switches
        self._notify.reloading()
        try:
            draft, plugins = self._read()
            self.switches = {}
            await self.apply(self._resolve(draft, plugins), plugins)
        except (config.ConfigError, StartError):
            self.switches = former
            raise
        finally:
            self._presence.ready(self.state)
        self._draft = draft
        log.info("reloaded: %s", ", ".join(self.state.helpers) or "no helper enabled")

    async def refresh(self, anew: bool = False) -> None:
        """Go over to what `switches` and `adjust` now make of the files, as they were read. Raises as `reload`.

        `anew` registers and loads all again, though nothing else has changed.
        """
        await self.apply(self._resolve(self._draft, self._plugins), anew=anew)

    async def apply(
        self, wanted: Config, plugins: Plugins | None = None, anew: bool = False
    ) -> None:
        """Go over to another effective configuration by difference: queues and flows stay.

        Raises StartError, with the former configuration in force, where that can't be done.
        """
        async with self._applying:
            wanted = self._in_place(wanted)
            if plugins is None and wanted == self._config and not anew:
                return
            former = self._config, self._plugins, self._problems
            self._config = wanted
            self._plugins = plugins or self._plugins
            try:
                await self._go_over()
            except (NetlinkError, NftError, StartError) as error:
                self._config, self._plugins, self._problems = former
                await self._go_back()
                raise StartError(str(error), getattr(error, "hint", "")) from error
            self._presence.publish(self.state)
            self._tell(
                Notification(
                    NotificationKind.RULESET_REPLACED, details={"helpers": list(self.state.helpers)}
                )
            )

    def _in_place(self, wanted: Config) -> Config:
        now, new = self._config.daemon, wanted.daemon
        if (now.queues, now.fail) == (new.queues, new.fail):
            return wanted
        log.warning("daemon.queues and daemon.fail change with a restart only")
        return replace(wanted, daemon=replace(new, queues=now.queues, fail=now.fail))

    async def _go_over(self) -> None:
        self._register()
        self._grow()
        await self._configure_workers()
        self._steer()
        await self._fleet.shrink(worker_count(self._config))

    async def _go_back(self) -> None:
        try:
            await self._configure_workers()
        except StartError as error:  # its supervisor goes on trying, with the former order
            log.error("going back: %s", error)
        await self._fleet.shrink(worker_count(self._config))

    def _on_worker_message(self, queue: int, message: Message | Restarted) -> None:
        self._logbook.write(queue, message)
        self.on_message(queue, message)

    def listen(self, listener: Callable[[Notification], None]) -> None:
        """Call it with what happens from now on."""
        self._listeners.append(listener)

    def _tell(self, news: Notification) -> None:
        for listener in self._listeners:
            listener(news)

    @property
    def state(self) -> Snapshot:
        """What is in force."""
        return Snapshot(self._config, self._plugins, self._problems, self._fleet, self._rules.nft)

    def name_of(self, kernel_name: str) -> str:
        """The configuration's name of a helper."""
        return name_of(self._plugins, kernel_name)

    # down

    async def stop(self) -> None:
        """Take all down, registration excepted. Goes on after errors; safe after a start that failed half-way."""
        self._notify.stopping()
        if (
            self._started
            and self._store.available
            and await asyncio.to_thread(systemd.is_restarting)
        ):
            await self._hand_over()
        else:
            await self._tear_down()
        self._logbook.close()
        if self._lock is not None:
            self._try(self._presence.withdraw)
            self._lock.release()

    async def _hand_over(self) -> None:
        """Leave rules and queues, with the packets in them, to the manager that is to come."""
        log.info("stopping; rules and queues are kept for the restart")
        self._try(self._registry.disable_all)  # should nobody come, the kernel must not wait for us
        await self._fleet.hand_over()
        self._try(self._rules.close)

    async def _tear_down(self) -> None:
        if self._registered:
            self._try(self._registry.disable_all)
        self._try(lambda: self._rules.remove(ruleset.teardown()))
        await self._fleet.shrink(0)
        self._try(lambda: release_queues(self._store))

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except (OSError, NftError) as error:
            log.error("stopping: %s", error)


async def _nothing() -> None:
    pass


def worker_count(loaded: Config) -> int:
    """How many workers a configuration means on this machine."""
    return loaded.daemon.workers or min(len(os.sched_getaffinity(0)), MAX_WORKERS)
