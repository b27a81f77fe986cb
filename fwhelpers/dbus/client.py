"""The client of the system bus that commands and the firewalld and NetworkManager clients share."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.address import system_bus_address
from fwhelpers.dbus.connection import BUS, Connection, Message, Target
from fwhelpers.dbus.errors import BusError, Disconnected

TIMEOUT = 20.0  #: seconds to wait for a reply; firewalld does not reply while it loads


class Client:
    """A client of the system bus. Its calls never start a service: looking at one must not start it.

    `on_signal` receives the signals subscribed to with `match_signals`.
    """

    def __init__(self, on_signal: Callable[[Message], None] = lambda message: None) -> None:
        self._on_signal = on_signal
        self._connection: Connection | None = None

    async def connect(self) -> None:
        """Connect to the system bus. Raises BusError."""
        self._connection = await Connection.open(system_bus_address())
        self._connection.on_signal = self._on_signal

    async def __aenter__(self) -> Client:
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def call(
        self,
        target: Target,
        member: str,
        signature: str = "",
        *body: Any,
        interactive: bool = False,
        reply_timeout: float | None = TIMEOUT,
    ) -> Any:
        """Call a method and return its value: None if it has none, a list if it has several.

        Raises BusError, with the method that failed in its text.
        """
        if self._connection is None:
            raise Disconnected("not connected to the message bus")
        try:
            values = await self._connection.call(
                target,
                member,
                signature,
                body,
                start=False,
                interactive=interactive,
                reply_timeout=reply_timeout,
            )
        except Disconnected:
            raise
        except BusError as error:
            method = f"{target.interface}.{member}"
            raise BusError(error.name, error.text, method, target.name) from None
        return values if len(values) > 1 else (values[0] if values else None)

    async def get_property(self, target: Target, name: str) -> Any:
        """Read a property. Raises BusError."""
        properties = target._replace(interface=names.PROPERTIES)
        return await self.call(properties, "Get", "ss", target.interface, name)

    async def match_signals(self, **rule: str) -> None:
        """Receive matching signals; keys are sender, interface, member, path, arg0. Raises BusError."""
        terms = {"type": "signal", **rule}
        text = ",".join(f"{key}='{value}'" for key, value in terms.items())
        await self.call(BUS, "AddMatch", "s", text)

    async def name_owner(self, name: str) -> str:
        """Return the unique name of a bus name's owner, empty without one. Raises BusError."""
        try:
            return str(await self.call(BUS, "GetNameOwner", "s", name))
        except BusError as error:
            if error.name == names.NAME_HAS_NO_OWNER:
                return ""
            raise

    async def wait_closed(self) -> None:
        """Return when the connection has ended, for whatever reason."""
        if self._connection is not None:
            await self._connection.wait_closed()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class NameWatcher:
    """Watches a bus name: is the service running, and does it really send its signals itself?"""

    def __init__(self, name: str) -> None:
        self._name = name
        self._owner = ""

    @property
    def running(self) -> bool:
        return bool(self._owner)

    async def subscribe(self, client: Client) -> None:
        """Subscribe to changes of the owner, then read the current one. Raises BusError."""
        await client.match_signals(sender=names.BUS, member="NameOwnerChanged", arg0=self._name)
        self._owner = await client.name_owner(self._name)

    def update(self, message: Message) -> bool:
        """Take a change of the owner; return False if the signal is something else.

        Only the bus itself is trusted: any peer may send us a signal of that form.
        """
        from_bus = message.sender == names.BUS and message.member == "NameOwnerChanged"
        if not from_bus or len(message.body) != 3 or message.body[0] != self._name:
            return False
        self._owner = str(message.body[2])
        return True

    def is_sender(self, message: Message) -> bool:
        """Was the signal sent by the current owner of the name?"""
        return self.running and message.sender == self._owner
