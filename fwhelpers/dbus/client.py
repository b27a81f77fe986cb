"""A client's end of the system bus, to follow others' services: calls that start nobody, signals, one error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from fwhelpers.dbus import connection
from fwhelpers.dbus.address import Disconnected, reachable, system_bus
from fwhelpers.dbus.connection import Call, Connection

BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
LIBRARY = "the Python library dbus-fast is missing (Debian, Fedora: python3-dbus-fast)"
PATIENCE = 20.0  #: seconds for an answer; firewalld answers nothing while it loads


class BusError(Exception):
    """No bus, no answer, or an error as answer; `name` is D-Bus's, where there is one."""

    def __init__(self, text: str, name: str = "") -> None:
        super().__init__(text)
        self.name = name


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal."""

    sender: str
    path: str
    interface: str
    member: str
    body: list[Any] = field(default_factory=list)


def available() -> str:
    """Why there can't be a connection; empty if there can."""
    try:
        reachable(system_bus())
    except Disconnected as error:
        return f"there is no system bus ({error})"
    # not imported: that takes half a second on a small machine, and brings GLib where it is installed
    return "" if find_spec("dbus_fast") else LIBRARY


class Client:
    """One connection. `signal` hears what was asked for by `listen`."""

    def __init__(self, signal: Callable[[Signal], None]) -> None:
        self._signal = signal
        self._connection: Connection | None = None

    async def connect(self) -> None:
        """Connect to the system bus. Raises BusError."""
        try:
            self._connection = await Connection.open(system_bus())
        except ImportError:
            raise BusError(LIBRARY) from None
        except Disconnected as error:
            raise BusError(str(error)) from None
        self._connection.on_signal = self._hear

    def _hear(self, given: Call) -> None:
        body = list(given.body)
        self._signal(Signal(given.sender, given.path, given.interface, given.member, body))

    async def call(
        self, target: tuple[str, str, str], member: str, signature: str = "", *body: Any,
        patience: float = PATIENCE,
    ) -> Any:  # fmt: skip
        """Call a method of `name, path, interface`; returns its value (None; a list of several). Raises BusError."""
        name, path, interface = target
        if self._connection is None:
            raise BusError(f"{interface}.{member}: not connected")
        try:
            values = await self._connection.call(
                name, path, interface, member, signature, body,
                start=False,  # to look at a service must not start it
                patience=patience,
            )  # fmt: skip
        except TimeoutError:
            raise BusError(f"{interface}.{member}: no answer within {patience:g} s") from None
        except Disconnected as error:
            raise BusError(f"{interface}.{member}: {error}") from None
        except connection.BusError as error:
            raise BusError(f"{interface}.{member}: {error or error.name}", error.name) from None
        return values if len(values) > 1 else (values[0] if values else None)

    async def property(self, target: tuple[str, str, str], name: str) -> Any:
        """Read a property. Raises BusError."""
        where = (*target[:2], "org.freedesktop.DBus.Properties")
        return await self.call(where, "Get", "ss", target[2], name)

    async def listen(self, **rule: str) -> None:
        """Receive signals that match: sender, interface, member, path, arg0 … Raises BusError."""
        text = ",".join(f"{key}='{value}'" for key, value in {"type": "signal", **rule}.items())
        await self.call(BUS, "AddMatch", "s", text)

    async def owner(self, name: str) -> str:
        """Who has a name; empty if nobody has."""
        try:
            return str(await self.call(BUS, "GetNameOwner", "s", name))
        except BusError as error:
            if error.name.endswith(".NameHasNoOwner"):
                return ""
            raise

    async def ended(self) -> None:
        """Wait for the connection's end, whatever ended it."""
        if self._connection is not None:
            await self._connection.wait_closed()

    def close(self) -> None:
        """Disconnect."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Peer:
    """A service of others, by its name: is it on the bus, and is a signal really its own?"""

    def __init__(self, name: str) -> None:
        self._name = name
        self._owner = ""

    @property
    def there(self) -> bool:
        """Is it on the bus?"""
        return bool(self._owner)

    async def listen(self, client: Client) -> None:
        """Ask to be told when it comes and goes, then look whether it is there. Raises BusError."""
        await client.listen(sender=BUS[0], member="NameOwnerChanged", arg0=self._name)
        self._owner = await client.owner(self._name)

    def comes_or_goes(self, signal: Signal) -> bool:
        """Is this the news of it? From the bus itself: anybody may send us what looks like it."""
        of_bus = signal.sender == BUS[0] and signal.member == "NameOwnerChanged"
        if not of_bus or len(signal.body) != 3 or signal.body[0] != self._name:
            return False
        self._owner = str(signal.body[2])
        return True

    def sent(self, signal: Signal) -> bool:
        """Is the signal from whoever has the name now?"""
        return bool(self._owner) and signal.sender == self._owner
