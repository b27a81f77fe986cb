"""What is in force, for those who look at it."""

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
    """To look at, not to change."""

    config: Config
    plugins: Plugins
    problems: Mapping[str, str]  #: why not, of each helper that the kernel did not accept
    workers: WorkerPool
    nft: Nft

    @property
    def helpers(self) -> dict[str, Helper]:
        """The enabled helpers that the kernel accepted."""
        return self.accepted(self.config.helpers)

    @property
    def inspected(self) -> dict[str, Helper]:
        """These, and those whose flows in progress are inspected on."""
        return self.accepted(self.config.inspected)

    def accepted(self, names: Iterable[str]) -> dict[str, Helper]:
        """Those of these helpers that the kernel accepted."""
        return {n: self.plugins.helpers[n] for n in names if n not in self.problems}

    def totals(self) -> dict[str, Counter[str]]:
        """What happened since the start, by the helper's name in the configuration; enabled ones are all there."""
        totals: dict[str, Counter[str]] = {name: Counter() for name in self.helpers}
        for kernel_name, counts in self.workers.totals().items():
            name = name_of(self.plugins, kernel_name)
            totals.setdefault(name, Counter()).update(counts)
        return totals


def name_of(plugins: Plugins, kernel_name: str) -> str:
    """The configuration's name of a helper; of one that is not ours the kernel's."""
    for name, helper in plugins.helpers.items():
        if helper.kernel_name == kernel_name:
            return name
    return kernel_name
