"""Turns a desired configuration into the applied one: helpers in the kernel, queues, workers, ruleset.

    registration → queues → workers ready → ruleset → surplus workers end

The ruleset follows the workers, so that no packet is sent to a queue without a reader. If a step fails, the former
configuration is applied again.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import replace

from fwhelpers import ruleset
from fwhelpers.config import Config
from fwhelpers.config.schema import MAX_WORKERS
from fwhelpers.daemon.errors import StartError
from fwhelpers.daemon.owned_table import OwnedTable
from fwhelpers.daemon.state import Snapshot
from fwhelpers.daemon.worker_config import make_worker_config
from fwhelpers.daemon.worker_pool import WorkerPool
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import NftError
from fwhelpers.plugin.manager import Plugins
from fwhelpers.registration import kernel_helpers
from fwhelpers.registration.cthelpers import CtHelperTable
from fwhelpers.registration.register import register

log = logging.getLogger("fwhelpers")


class Reconciler:
    """`applied` is None before the first success."""

    def __init__(self, workers: WorkerPool, table: OwnedTable, helpers: CtHelperTable) -> None:
        self.applied: Snapshot | None = None
        self._registered: Plugins | None = None
        self._problems: Mapping[str, str] = {}
        self._missing: Mapping[str, str] = {}  # problems of the kernel's own helpers
        self._workers = workers
        self._table = table
        self._helpers = helpers
        self._lock = asyncio.Lock()

    @property
    def registered(self) -> bool:
        return self._registered is not None

    def register(self, plugins: Plugins) -> None:
        """Register and pin all installed helpers. Raises NetlinkError and NftError."""
        self._problems = register(plugins.helpers, self._table.nft)
        self._registered = plugins
        for name, reason in self._problems.items():
            log.error("%s: not registered: %s", name, reason)

    async def register_again(self) -> None:
        """Restore registration and pins. Raises NetlinkError and NftError."""
        async with self._lock:
            if self.applied is not None:
                self.register(self.applied.plugins)
                self.applied = self.applied._replace(problems={**self._problems, **self._missing})

    async def reconcile(self, config: Config, plugins: Plugins, *, verify: bool = False) -> bool:
        """Apply a configuration by its difference; returns False if there is none. Queues and flows stay.

        `verify`: also without a difference, as another program may have changed the kernel's state.
        Raises StartError, with the former configuration active.
        """
        async with self._lock:
            former = self.applied
            if former is not None:
                config = _keep_queues(former.config, config)
                same = plugins is former.plugins and config == former.config
                if same and not verify:
                    return False
            try:
                self.applied = await self._apply(config, plugins, verify)
            except (NetlinkError, NftError, StartError) as error:
                if former is None:
                    raise
                await self._roll_back(former)
                raise StartError(str(error), getattr(error, "hint", "")) from error
            return True

    async def _apply(self, config: Config, plugins: Plugins, verify: bool) -> Snapshot:
        if verify or plugins is not self._registered:
            self.register(plugins)
        missing = self._missing_kernel_helpers(config, plugins)
        problems = {**self._problems, **missing}
        desired = Snapshot(config, plugins, problems, self._workers, self._table.nft)
        daemon, count = config.daemon, worker_count(config)
        self._workers.grow(daemon.queues, count, daemon.fail == "open")
        await self._configure_workers(desired)
        self._load_rules(desired)
        self._steer(desired)
        await self._workers.shrink(count)
        self._missing = missing
        return desired

    def _missing_kernel_helpers(self, config: Config, plugins: Plugins) -> Mapping[str, str]:
        """Return the reason for each of the kernel's own helpers that is missing; they must not stop the others."""
        helpers = {
            n: plugins.helpers[n] for n, h in config.helpers.items() if h.backend == "kernel"
        }
        missing = kernel_helpers.missing(helpers.values(), self._table.nft)
        for name, reason in missing.items() - self._missing.items():
            log.error("%s: %s", name, reason)
        for line in kernel_helpers.untranslated(h for n, h in helpers.items() if n not in missing):
            log.warning("%s", line)
        return missing

    async def _roll_back(self, former: Snapshot) -> None:
        """Apply the former configuration; an error in one step is logged, and the others are done."""
        try:
            if self._registered is not former.plugins:
                self.register(former.plugins)
        except (NetlinkError, NftError) as error:
            log.error("roll back registration: %s", error)
        try:
            await self._configure_workers(former)
        except StartError as error:  # their supervisors go on trying with the former configuration
            log.error("roll back workers: %s", error)
        for step in (self._load_rules, self._steer):
            try:
                step(former)
            except (NetlinkError, NftError) as error:
                log.error("roll back ruleset: %s", error)
        await self._workers.shrink(worker_count(former.config))

    async def _configure_workers(self, desired: Snapshot) -> None:
        config = make_worker_config(
            desired.config, desired.inspected, desired.plugins, worker_count(desired.config)
        )
        try:
            await self._workers.configure(config)
        except TimeoutError:
            raise StartError("a worker did not get ready", "see its messages above") from None

    def _load_rules(self, desired: Snapshot) -> None:
        first = desired.config.daemon.queues
        queues = range(first, first + worker_count(desired.config))
        self._table.load(ruleset.build(desired.config, desired.assigned, queues))

    def _steer(self, desired: Snapshot) -> None:
        queues = {}
        if desired.config.daemon.steering == "helper":
            first, count = desired.config.daemon.queues, worker_count(desired.config)
            helpers = desired.inspected.values()
            queues = {h.kernel_name: first + number % count for number, h in enumerate(helpers)}
        self._helpers.set_queues(queues)


def _keep_queues(former: Config, config: Config) -> Config:
    """Queues outlive a change of the configuration; their options can't change while they exist."""
    old, new = former.daemon, config.daemon
    if (old.queues, old.fail) == (new.queues, new.fail):
        return config
    log.warning("daemon.queues and daemon.fail change with a restart only")
    return replace(config, daemon=replace(new, queues=old.queues, fail=old.fail))


def worker_count(config: Config) -> int:
    """Return the number of workers on this machine."""
    return config.daemon.workers or min(len(os.sched_getaffinity(0)), MAX_WORKERS)
