"""Keeps a model current: asks the service, follows its signals, and waits for it if it is not there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from fwhelpers.cli.bus_errors import explain, is_denial
from fwhelpers.cli.client import Service
from fwhelpers.cli.top.model import Model
from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Message
from fwhelpers.dbus.errors import BusError, MissingLibrary
from fwhelpers.dbus.fields import Typed

RETRY = 1.0  #: seconds between attempts to reach the service
RELIST = 5.0  #: seconds; connections that end are not signalled
MAX_PAGES = 16  #: of 256 expectations each


class Feed:
    """`on_change` is called after each change of the model."""

    def __init__(self, model: Model, interval: float, on_change: Callable[[], None]) -> None:
        self._model = model
        self._interval = interval
        self._on_change = on_change
        self._denied = False

    async def run(self) -> None:
        """Run until cancelled. Raises MissingLibrary."""
        while True:
            # polkit's question for a password would disturb the screen
            service = Service(interactive=False)
            try:
                async with service.client:
                    await self._follow(service)
                self._model.on_disconnected("the service has stopped, waiting for it")
            except MissingLibrary:
                raise
            except BusError as error:
                self._model.on_disconnected(f"{explain(error)}, waiting for it")
            self._on_change()
            await asyncio.sleep(RETRY)

    async def _follow(self, service: Service) -> None:
        await service.watch(self._on_signal)
        await self._ask_statistics(service)
        await self._subscribe(service)
        listed = time.monotonic()
        while not await service.wait_stopped(self._interval):
            await self._ask_statistics(service)
            due = time.monotonic() - listed >= RELIST or self._model.state.lost
            if due and not self._denied:
                await self._list(service)
                listed = time.monotonic()

    async def _ask_statistics(self, service: Service) -> None:
        values, helpers, workers = await service.manager("GetStatistics")
        self._model.on_statistics(values, helpers, workers, time.monotonic())
        self._on_change()

    async def _subscribe(self, service: Service) -> None:
        self._denied = False
        try:
            await service.expectations("Subscribe", "a{sv}", {})
            await self._list(service)
            self._model.on_refusals(await service.expectations("ListRefusals", "a{sv}", {}))
        except BusError as error:
            if not is_denial(error):
                raise
            self._denied = True
            self._model.on_denied("addresses are for users that polkit authorizes (view-details)")
        self._on_change()

    async def _list(self, service: Service) -> None:
        after = ""
        for number in range(MAX_PAGES):
            query = {"after": Typed("s", after)} if after else {}
            page, after = await service.expectations("List", "a{sv}", query)
            if number == 0:
                self._model.begin_list()
            # at once: signals that follow are about what this page lists
            self._model.on_expectations(page, time.monotonic())
            if not after:
                break
        self._on_change()

    def _on_signal(self, signal: Message) -> None:
        if signal.interface != names.EXPECTATIONS:
            return
        if signal.member == "EventsLost":
            self._model.on_lost()
        elif signal.signature == "aa{sv}":
            events = signal.body[0]
            self._model.on_event(signal.member, events, time.monotonic(), time.time())
        self._on_change()
