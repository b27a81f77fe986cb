"""The running service, over D-Bus. Loads nothing of D-Bus before it is asked for something."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from fwhelpers.cli.errors import CliError
from fwhelpers.dbus import names
from fwhelpers.dbus.address import Disconnected, system_bus
from fwhelpers.dbus.connection import BusError, Connection

if TYPE_CHECKING:
    from fwhelpers.dbus.connection import Call

T = TypeVar("T")

START = "start it: systemctl start fwhelpers"
_NOT_RUNNING = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
}
_HINTS = {
    names.NOT_AUTHORIZED: "run as root, or let polkit allow it: pkaction --verbose --action-id ACTION",
    names.BAD_CONFIGURATION: "`fwhelpers check` examines the files; the former configuration is in force",
    names.NOT_APPLIED: "the former configuration is in force",
    names.NO_SUCH_HELPER: "`fwhelpers list` shows what is installed",
    names.NOT_PERSISTED: "nothing was changed; without --persist it would hold until the next reload",
    "org.freedesktop.DBus.Error.AccessDenied": "the policy of the message bus forbids it",
}


class NotRunning(CliError):
    """There is no bus, or no service on it."""


class Service:
    """The service, seen from here."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def manager(self, member: str, signature: str = "", *body: Any) -> list[Any]:
        """Call a method of the manager."""
        return await self._call(names.MANAGER, member, signature, body)

    async def expectations(self, member: str, signature: str = "", *body: Any) -> list[Any]:
        """Call a method that is about expectations."""
        return await self._call(names.EXPECTATIONS, member, signature, body)

    async def summary(self) -> dict[str, Any]:
        """The manager's properties."""
        (found,) = await self._call(names.PROPERTIES, "GetAll", "s", (names.MANAGER,))
        return dict(found)

    async def _call(
        self, interface: str, member: str, signature: str, body: Sequence[Any]
    ) -> list[Any]:
        asked = sys.stdin is not None and sys.stdin.isatty()  # may polkit ask for a password?
        return await self.connection.call(
            names.NAME, names.PATH, interface, member, signature, body,
            interactive=asked, start=False, patience=None if asked else 60.0,
        )  # fmt: skip

    async def follow(self, hear: Callable[[Call], None]) -> None:
        """Hand over the service's signals until the connection ends, or the service does."""
        gone = asyncio.Event()

        def take(signal: Call) -> None:
            if signal.interface == names.BUS:
                gone.set()
            else:
                hear(signal)

        self.connection.on_signal = take
        rule = "type='signal',sender='{0}'"
        await self.connection.add_match(rule.format(names.NAME))
        owner = f"{rule.format(names.BUS)},member='NameOwnerChanged',arg0='{names.NAME}'"
        await self.connection.add_match(owner)
        await self.expectations("Subscribe", "a{sv}", {})
        ended = asyncio.ensure_future(gone.wait())
        closed = asyncio.ensure_future(self.connection.wait_closed())
        try:
            await asyncio.wait({ended, closed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended.cancel()
            closed.cancel()


def ask(scenario: Callable[[Service], Awaitable[T]]) -> T:
    """Run something with the service. Raises CliError; NotRunning where there is none."""
    try:
        return asyncio.run(_ask(scenario))
    except Disconnected as error:
        raise NotRunning(f"the service can't be asked: {error}", START) from None
    except ImportError:
        hint = "install python3-dbus-fast (Debian, Fedora)"
        raise CliError("the service can't be asked without dbus-fast", hint) from None
    except BusError as error:
        if error.name in _NOT_RUNNING or "systemd" in error.name or ".Spawn." in error.name:
            raise NotRunning("the service does not run", START) from None
        raise CliError(str(error) or error.name, _HINTS.get(error.name, "")) from None
    except TimeoutError:
        raise CliError(
            "the service does not answer", "see its log: journalctl -u fwhelpers"
        ) from None


async def _ask(scenario: Callable[[Service], Awaitable[T]]) -> T:
    connection = await Connection.open(system_bus())
    try:
        return await scenario(Service(connection))
    finally:
        connection.close()
