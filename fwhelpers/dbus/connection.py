"""A connection to a message bus. The only module that knows dbus-fast (1.84, Debian 12's, and later).

dbus-fast gives a connection up when the socket's buffer is full (its writer takes EAGAIN for the end), and up to 1.84
it sends what is queued in the wrong order. So nothing is ever queued there: one message at a time, in the order of the
callers, and only when the kernel has room. Whoever sends waits; that is how a slow bus slows us down instead of filling
our memory.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.address import Disconnected, reachable
from fwhelpers.dbus.fields import Typed

__all__ = ["BusError", "Call", "Connection", "Disconnected", "plain"]

TIMEOUT = 25.0  #: seconds that a peer may take to answer, as in libdbus

_NAME_OWNER, _DO_NOT_QUEUE = 1, 4  # RequestName: reply, flag


class BusError(Exception):
    """An error that the other side answered, or that we answer: `name` is its D-Bus name."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


@dataclass(frozen=True, slots=True)
class Call:
    """A method call or a signal that came."""

    sender: str
    path: str
    interface: str
    member: str
    signature: str
    body: tuple[Any, ...]
    serial: int = 0
    interactive: bool = False  #: the caller allows that its user is asked for a password
    wants_reply: bool = True


class Connection:
    """Made by `open`. `on_call` and `on_signal` get what comes; neither may block or raise."""

    def __init__(self, bus: Any, library: Any) -> None:
        #: None: the library answers, a ping for one
        self.on_call: Callable[[Call], None] | None = None
        self.on_signal: Callable[[Call], None] = lambda call: None
        self._bus = bus
        self._library = library
        self._turn = asyncio.Lock()
        self._closed = False
        self._flight: asyncio.Future[None] | None = None
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ending = asyncio.ensure_future(self._wait_end())
        # the library watches the socket itself, and a loop can watch a descriptor but once
        self._watched = os.dup(bus._fd)
        self._room = select.poll()
        self._room.register(self._watched, select.POLLOUT)
        bus.add_message_handler(self._take)

    @classmethod
    async def open(cls, address: str) -> Connection:
        """Connect. Raises Disconnected, and ImportError without the library."""
        reachable(address)
        library = _library()
        bus = None
        try:
            bus = library.aio.MessageBus(bus_address=address)
            async with asyncio.timeout(TIMEOUT):
                await bus.connect()
        except Exception as error:  # the library's errors have no class in common
            _shut(bus)
            raise Disconnected(
                f"the message bus at {address} can't be used: {_words(error)}"
            ) from None
        return cls(bus, library)

    @property
    def name(self) -> str:
        """Our unique name."""
        return str(self._bus.unique_name)

    # out

    async def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[Any] = (),
        *,
        interactive: bool = False,
        start: bool = True,
        patience: float | None = TIMEOUT,
    ) -> list[Any]:
        """Call a method. Raises BusError, Disconnected and TimeoutError.

        `interactive`: our user may be asked for a password. `start`: the bus may start the other side.
        `patience`: seconds.
        """
        flags = self._library.MessageFlag
        given = flags.ALLOW_INTERACTIVE_AUTHORIZATION if interactive else flags.NONE
        given |= flags.NONE if start else flags.NO_AUTOSTART
        message = self._message(
            destination=destination, path=path, interface=interface, member=member,
            signature=signature, body=self._pack(body), flags=given,
        )  # fmt: skip
        async with asyncio.timeout(patience):
            async with self._turn:
                await self._wait_room()
                answer = asyncio.ensure_future(self._bus.call(message))
                await asyncio.sleep(0)  # it is on its way when the next one's turn comes
            try:
                await asyncio.wait({answer, self._gone}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                answer.cancel()
        # a peer's error is a reply: an exception is the connection's end
        failed = answer.cancelled() or not answer.done() or answer.exception() is not None
        reply = None if failed else answer.result()
        if reply is None:
            raise Disconnected("the message bus has gone")
        if reply.message_type is self._library.MessageType.ERROR:
            text = reply.body[0] if reply.body and isinstance(reply.body[0], str) else ""
            raise BusError(reply.error_name, text)
        return [plain(value) for value in reply.body]

    async def reply(self, call: Call, signature: str = "", body: Sequence[Any] = ()) -> None:
        """Answer a call. Raises Disconnected."""
        if call.wants_reply:
            kind = self._library.MessageType.METHOD_RETURN
            await self._send(
                message_type=kind, destination=call.sender, reply_serial=call.serial,
                signature=signature, body=self._pack(body),
            )  # fmt: skip

    async def fail(self, call: Call, name: str, text: str) -> None:
        """Answer a call with an error. Raises Disconnected."""
        if call.wants_reply:
            kind = self._library.MessageType.ERROR
            await self._send(
                message_type=kind, destination=call.sender, reply_serial=call.serial,
                error_name=name, signature="s", body=self._pack([text]),
            )  # fmt: skip

    async def signal(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[Any] = (),
        destination: str | None = None,
    ) -> None:
        """Send a signal, to everybody or to one. Raises Disconnected."""
        await self._send(
            message_type=self._library.MessageType.SIGNAL, destination=destination, path=path,
            interface=interface, member=member, signature=signature, body=self._pack(body),
        )  # fmt: skip

    async def request_name(self, name: str) -> bool:
        """Take a name; False: somebody has it. Raises BusError where the bus's policy forbids it."""
        (answer,) = await self._ask_bus("RequestName", "su", (name, _DO_NOT_QUEUE))
        return bool(answer in (_NAME_OWNER, 4))  # 4: it is ours already

    async def add_match(self, rule: str) -> None:
        """Ask for signals."""
        await self._ask_bus("AddMatch", "s", (rule,))

    async def uid_of(self, name: str) -> int:
        """The user of a peer. Raises BusError."""
        (uid,) = await self._ask_bus("GetConnectionUnixUser", "s", (name,))
        return int(uid)

    async def _ask_bus(self, member: str, signature: str, body: Sequence[Any]) -> list[Any]:
        return await self.call(names.BUS, names.BUS_PATH, names.BUS, member, signature, body)

    async def _send(self, **fields: Any) -> None:
        message = self._message(**fields)
        async with self._turn:
            await self._wait_room()
            self._flight = self._bus.send(message)
            await self._landed()

    async def _landed(self) -> None:
        """Wait until all of the last message is written, whatever became of its sender."""
        if self._flight is not None:
            # not `await flight`: a sender that is cancelled must not leave half a message behind
            await asyncio.wait({self._flight, self._gone}, return_when=asyncio.FIRST_COMPLETED)
            if not self._flight.done() or self._flight.exception() is not None:
                raise Disconnected("the message bus has gone")
            self._flight = None

    async def _wait_room(self) -> None:
        await self._landed()
        if not self.connected:
            raise Disconnected("the message bus has gone")
        if self._room.poll(0):
            return
        loop = asyncio.get_running_loop()
        room = loop.create_future()
        loop.add_writer(self._watched, lambda: None if room.done() else room.set_result(None))
        try:
            await room
        finally:
            loop.remove_writer(self._watched)

    # in

    def _take(self, message: Any) -> bool:
        kinds = self._library.MessageType
        if message.message_type is kinds.METHOD_CALL and self.on_call is not None:
            self.on_call(self._call_of(message))
            return True  # else the library would answer too
        if message.message_type is kinds.SIGNAL:
            self.on_signal(self._call_of(message))
        return False

    def _call_of(self, message: Any) -> Call:
        flags = self._library.MessageFlag
        return Call(
            message.sender or "", message.path or "", message.interface or "", message.member or "",
            message.signature, tuple(plain(value) for value in message.body), message.serial,
            bool(message.flags & flags.ALLOW_INTERACTIVE_AUTHORIZATION),
            not message.flags & flags.NO_REPLY_EXPECTED,
        )  # fmt: skip

    # the end

    @property
    def connected(self) -> bool:
        """False after the end."""
        return bool(self._bus.connected) and not self._closed and not self._gone.done()

    async def wait_closed(self) -> None:
        """Return when the connection has ended."""
        await asyncio.shield(self._gone)

    async def _wait_end(self) -> None:
        with suppress(Exception):  # it raises what ended it
            await self._bus.wait_for_disconnect()
        if not self._gone.done():
            self._gone.set_result(None)

    def close(self) -> None:
        """End it."""
        if not self._closed:
            self._closed = True
            self._ending.cancel()
            if not self._gone.done():
                self._gone.set_result(None)  # the library would not tell those who wait
            _shut(self._bus)
            os.close(self._watched)

    # values

    def _message(self, **fields: Any) -> Any:
        return self._library.Message(**fields)

    def _pack(self, value: Any) -> Any:
        if isinstance(value, Typed):
            return self._library.Variant(value.signature, self._pack(value.value), verify=False)
        if isinstance(value, str):
            return value if value.isascii() and "\0" not in value else _Text(_valid(value))
        if isinstance(value, Mapping):
            return {self._pack(key): self._pack(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._pack(inner) for inner in value]
        return value


def plain(value: Any) -> Any:
    """A value without variants. Structures are lists, whichever version made them."""
    if type(value).__name__ == "Variant":
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


class _Text(str):
    """Text as dbus-fast up to 1.84 needs it: it writes the number of characters where that of bytes belongs."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self.encode())


def _valid(text: str) -> str:
    # the bus hangs up on whoever sends it anything else
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _library() -> Any:
    # up to 1.84 it loads its half for GLib too, and with it GLib: megabytes that nobody here needs
    without = "gi" not in sys.modules
    if without:
        sys.modules["gi"] = None  # type: ignore[assignment]
    try:
        import dbus_fast.aio
    finally:
        if without:
            del sys.modules["gi"]
    return dbus_fast


def _shut(bus: Any) -> None:
    if bus is None:
        return
    # Its own disconnect() leaves the descriptor to the loop, and whoever is given the same number next would never be
    # woken; and it logs a traceback where the bus has gone first.
    loop = asyncio.get_running_loop()
    for stop in (loop.remove_reader, loop.remove_writer):
        with suppress(Exception):
            stop(bus._fd)
    for part in ("_stream", "_sock"):
        with suppress(Exception):
            getattr(bus, part).close()


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
