"""The connection of commands to the running service. Imports no D-Bus library before it connects."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

from fwhelpers.cli.bus_errors import checked, explain
from fwhelpers.dbus import names
from fwhelpers.dbus.client import Client, NameWatcher
from fwhelpers.dbus.connection import Message, Target
from fwhelpers.dbus.errors import BusError

T = TypeVar("T")

TIMEOUT = 60.0  #: seconds to wait for a reply if polkit may not ask for a password


class Service:
    """The running service."""

    MANAGER = Target(names.NAME, names.PATH, names.MANAGER)
    EXPECTATIONS = Target(names.NAME, names.PATH, names.EXPECTATIONS)

    def __init__(self, *, interactive: bool | None = None) -> None:
        """`interactive`: may polkit ask for a password? By default if there is a terminal."""
        terminal = sys.stdin is not None and sys.stdin.isatty()
        self._interactive = terminal if interactive is None else interactive
        self.client = Client(self._on_signal)
        self._watcher = NameWatcher(names.NAME)
        self._stopped = asyncio.Event()
        self._failure: Exception | None = None  #: of the handler of signals
        self._handler: Callable[[Message], None] = lambda signal: None

    async def manager(self, member: str, signature: str = "", *body: Any) -> Any:
        """Call a method of the Manager interface. Raises BusError."""
        return await self._call(self.MANAGER, member, signature, *body)

    async def expectations(self, member: str, signature: str = "", *body: Any) -> Any:
        """Call a method of the Expectations interface. Raises BusError."""
        return await self._call(self.EXPECTATIONS, member, signature, *body)

    async def summary(self) -> dict[str, Any]:
        """Return the properties of the Manager interface. Raises BusError."""
        properties = self.MANAGER._replace(interface=names.PROPERTIES)
        reply: dict[str, Any] = await self._call(properties, "GetAll", "s", names.MANAGER)
        return reply

    async def _call(self, target: Target, member: str, signature: str, *body: Any) -> Any:
        reply = await self.client.call(
            target,
            member,
            signature,
            *body,
            interactive=self._interactive,
            reply_timeout=None if self._interactive else TIMEOUT,
        )
        return checked(reply)

    def _on_signal(self, signal: Message) -> None:
        if self._watcher.update(signal):
            self._stopped.set()
        elif signal.interface != names.BUS and self._failure is None:
            try:
                self._handler(replace(signal, body=tuple(checked(signal.body))))
            except Exception as error:  # such as a closed pipe; the library would log and go on
                self._failure = error
                self._stopped.set()

    async def follow(self, handler: Callable[[Message], None]) -> None:
        """Pass the service's signals to `handler` until the service or the bus stops."""
        await self.watch(handler)
        await self.expectations("Subscribe", "a{sv}", {})
        await self.wait_stopped()

    async def watch(self, handler: Callable[[Message], None]) -> None:
        """Pass the signals that the service sends to all clients, or to subscribers, to `handler`."""
        self._handler = handler
        await self.client.match_signals(sender=names.NAME)
        await self._watcher.subscribe(self.client)

    async def wait_stopped(self, seconds: float | None = None) -> bool:
        """Return True when the service or the bus has stopped, False if neither did in that time.

        Raises what the handler of signals has raised.
        """
        ends = [
            asyncio.ensure_future(self._stopped.wait()),
            asyncio.ensure_future(self.client.wait_closed()),
        ]
        try:
            stopped, _ = await asyncio.wait(
                ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for end in ends:
                end.cancel()
        if self._failure is not None:
            raise self._failure
        return bool(stopped)


def ask(scenario: Callable[[Service], Awaitable[T]], *, interactive: bool | None = None) -> T:
    """Run a scenario with the service. Raises CliError; NotRunning if there is no service.

    `interactive`: see `Service`.
    """
    try:
        return asyncio.run(_run(scenario, interactive))
    except BusError as error:
        raise explain(error) from None


async def _run(scenario: Callable[[Service], Awaitable[T]], interactive: bool | None) -> T:
    service = Service(interactive=interactive)
    async with service.client:
        return await scenario(service)
