"""Read-only snapshot of the manager's active state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fwhelpers.api import Helper
from fwhelpers.config import Config
from fwhelpers.daemon.worker_pool import WorkerPool
from fwhelpers.kernel.nft import Nft
from fwhelpers.plugin.manager import Plugins


class Snapshot(NamedTuple):
    """The configuration that kernel and workers have, with its counters."""

    config: Config
    plugins: Plugins
    problems: Mapping[str, str]  #: helpers that the kernel did not accept, with the reason
    workers: WorkerPool
    nft: Nft

    @property
    def helpers(self) -> dict[str, Helper]:
        """The enabled helpers that the kernel accepted."""
        return self._accepted(self.config.helpers)

    @property
    def inspected(self) -> dict[str, Helper]:
        """The same, and helpers that are disabled but still have flows."""
        return self._accepted(self.config.inspected)

    @property
    def assigned(self) -> dict[str, Helper]:
        """Those that rules concern: the enabled ones, and the disabled ones that still have flows."""
        return self._accepted({**self.config.helpers, **self.config.inspected})

    def _accepted(self, names: Iterable[str]) -> dict[str, Helper]:
        return {n: self.plugins.helpers[n] for n in names if n not in self.problems}

    def totals(self) -> dict[str, Counter[str]]:
        """Counters since the start by the helper's name in the configuration; all enabled helpers are listed."""
        totals: dict[str, Counter[str]] = {name: Counter() for name in self.helpers}
        for kernel_name, counts in self.workers.totals().items():
            name = name_of(self.plugins, kernel_name)
            totals.setdefault(name, Counter()).update(counts)
        return totals


def name_of(plugins: Plugins, kernel_name: str) -> str:
    """Return a helper's name in the configuration; a foreign one keeps the kernel's."""
    for name, helper in plugins.helpers.items():
        if helper.kernel_name == kernel_name:
            return name
    return kernel_name
