"""The connection of commands to the running service. Imports no D-Bus library before it connects."""

from __future__ import annotations

import asyncio
import errno
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fwhelpers.cli.errors import CliError
from fwhelpers.daemon.runtime_dir import RUNTIME, is_locked
from fwhelpers.dbus import names
from fwhelpers.dbus.address import VARIABLE
from fwhelpers.dbus.client import Client, NameWatcher
from fwhelpers.dbus.connection import Message, Target
from fwhelpers.dbus.errors import NO_REPLY, BusError, Disconnected, MissingLibrary, NoBus

T = TypeVar("T")

TIMEOUT = 60.0  #: seconds to wait for a reply if polkit may not ask for a password
START = "start it: systemctl start fwhelpers"
LOG = "see its log: journalctl -u fwhelpers"

_NOT_ON_BUS = {names.SERVICE_UNKNOWN, names.NAME_HAS_NO_OWNER}
_HINTS = {
    names.NOT_AUTHORIZED: "run as root, or add a polkit rule for this action",
    names.INVALID_CONFIGURATION: "`fwhelpers check` examines the files; the former configuration stays active",
    names.NOT_APPLIED: "the former configuration stays active",
    names.NO_SUCH_HELPER: "`fwhelpers list` shows the installed helpers",
    names.NOT_PERSISTED: "nothing was changed; without --persist the change lasts until the next reload",
    names.LIMIT: "the service serves too many clients; try again later",
    names.ACCESS_DENIED: "the policy of the message bus denies access to the service",
    NO_REPLY: LOG,
}


class NotRunning(CliError):
    """The service cannot be reached: there is no bus, or the service is not on it."""


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
        return dict(await self._call(properties, "GetAll", "s", names.MANAGER))

    async def _call(self, target: Target, member: str, signature: str, *body: Any) -> Any:
        return await self.client.call(
            target,
            member,
            signature,
            *body,
            interactive=self._interactive,
            reply_timeout=None if self._interactive else TIMEOUT,
        )

    def _on_signal(self, signal: Message) -> None:
        if self._watcher.update(signal):
            self._stopped.set()
        elif signal.interface != names.BUS:
            self._handler(signal)

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
        """Return True when the service or the bus has stopped, False if neither did in that time."""
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


def explain(error: BusError) -> CliError:
    """Return the error message of a failed call, with a hint at the cause."""
    if isinstance(error, MissingLibrary):
        return CliError(str(error), "install it, or use `fwhelpers counters`, which needs no D-Bus")
    if isinstance(error, NoBus):
        return NotRunning(f"cannot reach the service: {error}", bus_hint(error))
    if isinstance(error, Disconnected):
        return CliError(str(error), "check the message bus: systemctl status dbus")
    if error.name in _NOT_ON_BUS:
        return _not_on_bus()
    return CliError(error.text, _HINTS.get(error.name, ""))


def bus_hint(error: NoBus) -> str:
    """Return the remedy for a message bus that cannot be reached."""
    if os.environ.get(VARIABLE):
        return f"{VARIABLE} is set to {os.environ[VARIABLE]}; correct or unset it"
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
        return "start the system message bus: systemctl start dbus.socket"
    return "check the system message bus: systemctl status dbus.socket"


def _not_on_bus() -> NotRunning:
    try:
        running = is_locked(RUNTIME)
    except OSError:
        running = False
    if running:
        return NotRunning("the service is running, but not on the message bus", LOG)
    return NotRunning("the service is not running", START)
