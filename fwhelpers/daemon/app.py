"""`fwhelpers run`: bring everything up in order, keep it up, take it down in reverse.

    config, plugins → rights → registration → queues → workers ready → ruleset          and back

The ruleset is the last to come and the first to go, so that no packet is ever sent to a queue that nobody serves.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fwhelpers import config, ruleset
from fwhelpers.api import Helper
from fwhelpers.config import Config
from fwhelpers.daemon import notes
from fwhelpers.daemon.files import RUNTIME, Lock, Locked, remove_status, write_status
from fwhelpers.daemon.fleet import Fleet
from fwhelpers.daemon.modules import load_modules
from fwhelpers.daemon.order import Order
from fwhelpers.daemon.register import register
from fwhelpers.daemon.registry import Registry
from fwhelpers.daemon.surroundings import Surroundings
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import Nft, NftError
from fwhelpers.kernel.probe import has_net_admin
from fwhelpers.keys import MAX_WORKERS
from fwhelpers.plugins import Plugins, load

log = logging.getLogger("fwhelpers")


class StartError(Exception):
    """Why the daemon can't start, for people; `hint` says what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


class Daemon:
    """The manager. `start`, `serve`, `stop`; all in one event loop."""

    def __init__(self, config_dir: Path, runtime: Path = RUNTIME) -> None:
        self._config_dir = config_dir
        self._runtime = runtime
        self._fleet = Fleet(self._hear)
        self._nft = Nft()
        self._registry = Registry()
        self._problems: dict[str, str] = {}
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self._applying = asyncio.Lock()
        self._lock: Lock | None = None
        self._registered = False
        self._surroundings = Surroundings(self._go_with)
        self._following: asyncio.Task[None] | None = None

    # up

    async def start(self) -> None:
        """Bring all up. Raises StartError; what was begun is then undone by `stop`."""
        self._base, self._plugins = self._read()
        self._config = self._adapted()
        if not has_net_admin():
            raise StartError(
                "CAP_NET_ADMIN is missing", "run as root, or under systemd with that capability"
            )
        load_modules()
        self._lock = Lock(self._runtime)
        self._register()
        await self._surroundings.start()
        self._config = self._adapted()
        self._grow()
        await self._configure_workers()
        self._steer()
        self._publish()

    def _adapted(self) -> Config:
        """The configuration together with what firewalld and NetworkManager say."""
        return self._surroundings.adapt(self._base, self._plugins.helpers)

    async def _go_with(self, what: str) -> None:
        """Something changed around us; after a firewall's start or reload it is looked whether all is in place."""
        if self._adapted() != self._config or {"reloaded", "started"} & set(what.split(", ")):
            try:
                await self.apply(self._base)
            except StartError as error:
                log.error("%s: %s; the former state stays in force", what, error)
            else:
                log.info("%s: %s", what, ", ".join(self._helpers) or "no helper enabled")

    def _read(self) -> tuple[Config, Plugins]:
        draft = config.load(self._config_dir)
        plugins = load(blocked=draft.daemon.blocked_plugins).plus(draft.rows)
        for problem in plugins.problems:
            log.warning("%s", problem)
        return config.resolve(draft, plugins.helpers, plugins.absent()), plugins

    def _register(self) -> None:
        self._problems = register(self._plugins.helpers, self._nft)
        self._registered = True
        for name, why in self._problems.items():
            log.error("%s: not registered: %s", name, why)

    @property
    def _helpers(self) -> dict[str, Helper]:
        """The enabled helpers that the kernel accepted."""
        return {
            name: self._plugins.helpers[name]
            for name in self._config.helpers
            if name not in self._problems
        }

    def _grow(self) -> None:
        daemon = self._config.daemon
        self._fleet.grow(daemon.queues, worker_count(self._config), daemon.fail == "open")

    async def _configure_workers(self) -> None:
        order = Order(
            {name: self._worker_config(name) for name in self._helpers},
            tuple(self._config.daemon.blocked_plugins),
            disable_at_end=self._config.daemon.steering == "helper",
            rows=self._config.rows,
        )
        try:
            await self._fleet.configure(order)
        except TimeoutError:
            raise StartError("a worker did not get ready", "see its messages above") from None

    def _worker_config(self, name: str) -> dict[str, Any]:
        given = self._config.helpers[name]
        return {"settings": dict(given.settings), "limits": limits(given.guard)}

    def _steer(self) -> None:
        first = self._config.daemon.queues
        queues = range(first, first + worker_count(self._config))
        self._nft.run(ruleset.build(self._config, self._helpers, queues))
        if self._config.daemon.steering == "helper":
            for n, helper in enumerate(self._helpers.values()):
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
        self._following = loop.create_task(self._surroundings.run())
        while not self._stop.is_set():
            reload = loop.create_task(self._reload.wait())
            await asyncio.wait({stop, reload}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            reload.cancel()
            if self._reload.is_set():
                self._reload.clear()
                await self.reload()
            self._publish()

    async def reload(self) -> None:
        """Read the configuration again and go over to it; a wrong one changes nothing."""
        try:
            wanted, plugins = self._read()
            await self.apply(wanted, plugins)
        except (config.ConfigError, StartError) as error:
            log.error("reload: %s; the former configuration stays in force", error)
            return
        log.info("reloaded: %s", ", ".join(self._helpers) or "no helper enabled")

    async def apply(self, wanted: Config, plugins: Plugins | None = None) -> None:
        """Go over to another configuration by difference: queues and flows stay. Zones come on top of it.

        Raises StartError, with the former configuration in force, where that can't be done.
        """
        async with self._applying:
            former = self._base, self._config, self._plugins, self._problems
            self._base = self._in_place(wanted)
            self._plugins = plugins or self._plugins
            self._config = self._adapted()
            try:
                await self._go_over()
            except (NetlinkError, NftError, StartError) as error:
                self._base, self._config, self._plugins, self._problems = former
                await self._go_back()
                raise StartError(str(error), getattr(error, "hint", "")) from error
            self._publish()

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

    def _hear(self, message: dict[str, Any]) -> None:
        notes.write(message)

    def _publish(self) -> None:
        totals: dict[str, Counter[str]] = {name: Counter() for name in self._helpers}
        for kernel_name, counts in self._fleet.totals().items():
            totals.setdefault(self._name_of(kernel_name), Counter()).update(counts)
        write_status(
            self._runtime,
            {
                "pid": os.getpid(),
                "helpers": {name: dict(counts) for name, counts in totals.items()},
                "workers": self._fleet.status(),
                "problems": self._problems,
            },
        )

    def _name_of(self, kernel_name: str) -> str:
        for name, helper in self._plugins.helpers.items():
            if helper.kernel_name == kernel_name:
                return name
        return kernel_name

    # down

    async def stop(self) -> None:
        """Take all down, registration excepted. Goes on after errors; safe after a start that failed half-way."""
        if self._lock is None:  # not even begun
            return
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        if self._registered:
            self._try(self._registry.disable_all)
        self._try(self._nft.close)
        await self._fleet.shrink(0)
        self._try(lambda: remove_status(self._runtime))
        self._lock.release()

    def _try(self, step: Callable[[], object]) -> None:
        try:
            step()
        except (OSError, NftError) as error:
            log.error("stopping: %s", error)


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


def worker_count(loaded: Config) -> int:
    """How many workers a configuration means on this machine."""
    return loaded.daemon.workers or min(len(os.sched_getaffinity(0)), MAX_WORKERS)


async def _main(config_dir: Path) -> None:
    daemon = Daemon(config_dir)
    try:
        await daemon.start()
        print("fwhelpers: ready", flush=True)
        await daemon.serve()
    finally:
        await daemon.stop()


def run(config_dir: Path) -> int:
    """Run the service until SIGTERM; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="fwhelpers: %(message)s", stream=sys.stderr)
    try:
        asyncio.run(_main(config_dir))
    except StartError as error:
        return _fail(str(error), error.hint)
    except (config.ConfigError, Locked) as error:
        return _fail(str(error), getattr(error, "hint", ""))
    except (NetlinkError, NftError, PermissionError) as error:
        return _fail(str(error), "run `fwhelpers check` for a report of what this system lacks")
    return 0


def _fail(text: str, hint: str) -> int:
    for line in text.splitlines():
        print(f"fwhelpers: error: {line}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    return 1
