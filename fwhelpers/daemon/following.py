"""The daemon goes with its surroundings: what firewalld and NetworkManager say changes the configuration in force."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from fwhelpers.config import ConfigError
from fwhelpers.daemon.errors import StartError
from fwhelpers.daemon.providers import Change, Providers
from fwhelpers.firewalld import client as firewalld
from fwhelpers.networkmanager import client as networkmanager

if TYPE_CHECKING:
    from fwhelpers.daemon.manager import Manager

log = logging.getLogger("fwhelpers")

#: after these it is looked whether registration and rules are all there, though nothing else has changed
_ANEW: set[Change] = {firewalld.Change.RELOADED, firewalld.Change.STARTED}


class Following:
    """Between `Providers` and a daemon. `start` when it is up, `stop` before it goes down."""

    def __init__(self, daemon: Manager) -> None:
        self._daemon = daemon
        self._surroundings = Providers(self._go_with)
        self._task: asyncio.Task[None] | None = None
        daemon.adjust = self._surroundings.adapt
        daemon.prepare = self._surroundings.start

    def start(self) -> None:
        """Follow from now on."""
        self._task = asyncio.get_running_loop().create_task(self._surroundings.run())

    async def stop(self) -> None:
        """Follow no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _go_with(self, what: set[Change]) -> None:
        words = ", ".join(sorted(change.value for change in what))
        before = self._daemon.state.config
        try:
            await self._daemon.refresh(anew=bool(_ANEW & what))
        except (StartError, ConfigError) as error:
            log.error("%s: %s; the former state stays in force", words, error)
            return
        if (_ANEW | {networkmanager.Change.STARTED}) & what or self._daemon.state.config != before:
            names = ", ".join(self._daemon.state.config.helpers)
            log.info("%s: %s", words, names or "no helper enabled")
