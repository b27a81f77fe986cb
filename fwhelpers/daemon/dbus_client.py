"""A client's end of the system bus: calls and signals, in plain Python values.

The only module that knows the library. dbus-fast's low-level messages have not changed from 1.84 (Debian 12) to 5;
structures come as lists in old versions and as tuples in new ones, so nobody may care which.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
ADDRESS = "unix:path=/var/run/dbus/system_bus_socket"  #: where the specification has it
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


def is_owner_change(signal: Signal, name: str) -> bool:
    """Does the bus itself (anybody may send us what looks like it) say that a name changed hands?"""
    ours = signal.sender == BUS[0] and signal.member == "NameOwnerChanged"
    return ours and len(signal.body) == 3 and signal.body[0] == name


def available() -> str:
    """Why there can't be a connection; empty if there can."""
    try:
        import dbus_fast  # noqa: F401
    except ImportError:
        return LIBRARY
    address = os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or ADDRESS
    path = address.partition("unix:path=")[2].partition(",")[0]
    if path and not os.path.exists(path):
        return f"there is no system bus ({path})"
    return ""


class Client:
    """One connection. `signal` hears what was asked for by `listen`."""

    def __init__(self, signal: Callable[[Signal], None]) -> None:
        self._signal = signal
        self._bus: Any = None

    async def connect(self) -> None:
        """Connect to the system bus. Raises BusError."""
        why = available()
        if why:
            raise BusError(why)
        from dbus_fast import BusType
        from dbus_fast.aio.message_bus import MessageBus

        try:
            self._bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        except Exception as error:  # the library's errors have no common base
            raise BusError(f"the system bus can't be reached: {error}") from None
        self._bus.add_message_handler(self._hear)

    def _hear(self, message: Any) -> None:
        if message.message_type.value == 4:  # SIGNAL
            body = [plain(value) for value in message.body]
            self._signal(
                Signal(message.sender, message.path, message.interface, message.member, body)
            )

    async def call(
        self, target: tuple[str, str, str], member: str, signature: str = "", *body: Any,
        patience: float = PATIENCE,
    ) -> Any:  # fmt: skip
        """Call a method of `name, path, interface`; returns its value (None; a list of several). Raises BusError."""
        from dbus_fast import Message
        from dbus_fast.constants import MessageFlag

        name, path, interface = target
        if self._bus is None:
            raise BusError(f"{interface}.{member}: not connected")
        message = Message(
            destination=name, path=path, interface=interface, member=member,
            signature=signature, body=list(body),
            flags=MessageFlag.NO_AUTOSTART,  # to look at a service must not start it
        )  # fmt: skip
        try:
            reply = await asyncio.wait_for(self._bus.call(message), patience)
        except TimeoutError:
            raise BusError(f"{interface}.{member}: no answer within {patience:g} s") from None
        except (
            Exception
        ) as error:  # a connection that ends under a call raises whatever the socket did
            raise BusError(f"{interface}.{member}: {error or type(error).__name__}") from None
        if reply.message_type.value == 3:  # ERROR
            text = str(reply.body[0]) if reply.body else reply.error_name
            raise BusError(f"{interface}.{member}: {text}", reply.error_name)
        values = [plain(value) for value in reply.body]
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
        with contextlib.suppress(
            Exception
        ):  # EOFError, OSError, and whatever a version makes of them
            await self._bus.wait_for_disconnect()

    def close(self) -> None:
        """Disconnect."""
        bus, self._bus = self._bus, None
        sock = getattr(bus, "_sock", None)
        if sock is None or sock.fileno() < 0:
            return
        # its own disconnect() closes the descriptor under the loop, which then trips over the next one of that number,
        # and logs a traceback where the bus went first
        loop = asyncio.get_running_loop()
        loop.remove_reader(sock.fileno())
        loop.remove_writer(sock.fileno())
        sock.close()


def plain(value: Any) -> Any:
    """Without variants."""
    if type(value).__name__ == "Variant":
        return plain(value.value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
