"""A connection to a message bus, for our client and our service.

dbus-fast closes a connection when the socket buffer is full (its writer takes EAGAIN for the end),
and up to 1.84 it sends queued messages in the wrong order. So nothing is queued in the library:
messages are written one at a time, in the order of the callers, and only when the kernel has room.
Senders wait; a slow bus slows the sender down and does not fill its memory.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from fwhelpers.dbus import library as adapter
from fwhelpers.dbus import names
from fwhelpers.dbus.address import check_reachable
from fwhelpers.dbus.errors import NO_REPLY, BusError, Disconnected, NoBus

TIMEOUT = 25.0  #: seconds to wait for a reply, as in libdbus

# RequestName: replies and a flag
_PRIMARY_OWNER, _ALREADY_OWNER, _DO_NOT_QUEUE = 1, 4, 4


class Target(NamedTuple):
    """The destination of a call: bus name, object path, interface."""

    name: str
    path: str
    interface: str


BUS = Target(names.BUS, names.BUS_PATH, names.BUS)


@dataclass(frozen=True, slots=True)
class Message:
    """A received method call or signal."""

    sender: str
    path: str
    interface: str
    member: str
    signature: str = ""
    body: tuple[Any, ...] = ()
    serial: int = 0
    interactive: bool = False  #: the caller allows polkit to ask its user for a password
    wants_reply: bool = True


class Connection:
    """An open connection, see `open`. `on_call` and `on_signal` must neither block nor raise."""

    def __init__(self, bus: Any, library: Any) -> None:
        #: None: the library replies to standard calls such as Ping
        self.on_call: Callable[[Message], None] | None = None
        self.on_signal: Callable[[Message], None] = lambda message: None
        self._bus = bus
        self._library = library
        self._send_lock = asyncio.Lock()
        self._closed = False
        self._in_flight: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._end_watcher = asyncio.ensure_future(self._watch_end())
        # a loop can watch a descriptor only once, and the library watches its own
        self._writable_fd = os.dup(bus._fd)
        self._writable = select.poll()
        self._writable.register(self._writable_fd, select.POLLOUT)
        bus.add_message_handler(self._receive)

    @classmethod
    async def open(cls, address: str) -> Connection:
        """Connect. Raises NoBus, and MissingLibrary without dbus-fast."""
        check_reachable(address)
        library = adapter.load()
        bus = None
        try:
            bus = library.aio.MessageBus(bus_address=address)
            async with asyncio.timeout(TIMEOUT):
                await bus.connect()
        except Exception as error:  # the library's errors have no class in common
            if bus is not None:
                adapter.shut_down(bus)
            reason = str(error) or type(error).__name__
            raise NoBus(f"the message bus at {address} refused the connection: {reason}") from None
        return cls(bus, library)

    @property
    def name(self) -> str:
        """Our unique name."""
        return str(self._bus.unique_name)

    # sending

    async def call(
        self,
        target: Target,
        member: str,
        signature: str = "",
        body: Sequence[Any] = (),
        *,
        interactive: bool = False,
        start: bool = True,
        reply_timeout: float | None = TIMEOUT,
    ) -> list[Any]:
        """Call a method and return the values of its reply. Raises BusError.

        `interactive` allows polkit to ask our user for a password, `start` allows the bus to start
        the destination. `reply_timeout` is in seconds.
        """
        flags = self._library.MessageFlag
        bits = flags.ALLOW_INTERACTIVE_AUTHORIZATION if interactive else flags.NONE
        bits |= flags.NONE if start else flags.NO_AUTOSTART
        message = self._library.Message(
            destination=target.name,
            path=target.path,
            interface=target.interface,
            member=member,
            signature=signature,
            body=self._pack(body),
            flags=bits,
        )
        try:
            async with asyncio.timeout(reply_timeout):
                reply = await self._exchange(message)
        except TimeoutError:
            raise BusError(NO_REPLY, f"no reply within {reply_timeout:g} s") from None
        if reply.message_type is self._library.MessageType.ERROR:
            text = reply.body[0] if reply.body and isinstance(reply.body[0], str) else ""
            raise BusError(reply.error_name, text)
        return [adapter.unpack(value) for value in reply.body]

    async def _exchange(self, message: Any) -> Any:
        async with self._send_lock:
            await self._wait_writable()
            reply = asyncio.ensure_future(self._bus.call(message))
            await asyncio.sleep(0)  # the library writes it before the next sender's turn
        try:
            await asyncio.wait({reply, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            reply.cancel()
        # a peer's error is a reply; an exception or no reply is the end of the connection
        failed = reply.cancelled() or not reply.done() or reply.exception() is not None
        if failed or reply.result() is None:
            raise Disconnected
        return reply.result()

    async def reply(self, call: Message, signature: str = "", body: Sequence[Any] = ()) -> None:
        """Reply to a call. Raises Disconnected."""
        if call.wants_reply:
            await self._send(
                message_type=self._library.MessageType.METHOD_RETURN,
                destination=call.sender,
                reply_serial=call.serial,
                signature=signature,
                body=self._pack(body),
            )

    async def reply_error(self, call: Message, name: str, text: str) -> None:
        """Reply to a call with an error. Raises Disconnected."""
        if call.wants_reply:
            await self._send(
                message_type=self._library.MessageType.ERROR,
                destination=call.sender,
                reply_serial=call.serial,
                error_name=name,
                signature="s",
                body=self._pack([text]),
            )

    async def emit(
        self,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[Any] = (),
        destination: str | None = None,
    ) -> None:
        """Send a signal, to `destination` only if there is one. Raises Disconnected."""
        await self._send(
            message_type=self._library.MessageType.SIGNAL,
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=self._pack(body),
        )

    async def request_name(self, name: str) -> bool:
        """Own a bus name; return False if another connection does. Raises BusError."""
        (answer,) = await self.call(BUS, "RequestName", "su", (name, _DO_NOT_QUEUE))
        return answer in (_PRIMARY_OWNER, _ALREADY_OWNER)

    async def add_match(self, rule: str) -> None:
        """Receive signals that match a rule. Raises BusError."""
        await self.call(BUS, "AddMatch", "s", (rule,))

    async def uid_of(self, name: str) -> int:
        """Return the user ID of a peer. Raises BusError."""
        (uid,) = await self.call(BUS, "GetConnectionUnixUser", "s", (name,))
        return int(uid)

    async def _send(self, **fields: Any) -> None:
        message = self._library.Message(**fields)
        async with self._send_lock:
            await self._wait_writable()
            self._in_flight = self._bus.send(message)
            await self._wait_sent()

    async def _wait_sent(self) -> None:
        """Wait until the last message is written completely, even if its sender was cancelled."""
        if self._in_flight is not None:
            # `await self._in_flight` would cancel it with its sender, in the middle of a message
            await asyncio.wait({self._in_flight, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if not self._in_flight.done() or self._in_flight.exception() is not None:
                raise Disconnected
            self._in_flight = None

    async def _wait_writable(self) -> None:
        await self._wait_sent()
        if not self.connected:
            raise Disconnected
        if self._writable.poll(0):
            return
        loop = asyncio.get_running_loop()
        ready = loop.create_future()
        loop.add_writer(self._writable_fd, lambda: None if ready.done() else ready.set_result(None))
        try:
            await ready
        finally:
            loop.remove_writer(self._writable_fd)

    def _pack(self, body: Sequence[Any]) -> Any:
        return adapter.pack(self._library, body)

    # receiving

    def _receive(self, message: Any) -> bool:
        kinds = self._library.MessageType
        if message.message_type is kinds.METHOD_CALL and self.on_call is not None:
            self.on_call(self._decode(message))
            return True  # otherwise the library would reply as well
        if message.message_type is kinds.SIGNAL:
            self.on_signal(self._decode(message))
        return False

    def _decode(self, message: Any) -> Message:
        flags = self._library.MessageFlag
        return Message(
            message.sender or "",
            message.path or "",
            message.interface or "",
            message.member or "",
            message.signature,
            tuple(adapter.unpack(value) for value in message.body),
            message.serial,
            bool(message.flags & flags.ALLOW_INTERACTIVE_AUTHORIZATION),
            not message.flags & flags.NO_REPLY_EXPECTED,
        )

    # closing

    @property
    def connected(self) -> bool:
        return bool(self._bus.connected) and not self._closed and not self._ended.done()

    async def wait_closed(self) -> None:
        """Return when the connection has ended, for whatever reason."""
        await asyncio.shield(self._ended)

    async def _watch_end(self) -> None:
        with suppress(Exception):  # it raises the error that ended the connection
            await self._bus.wait_for_disconnect()
        if not self._ended.done():
            self._ended.set_result(None)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._end_watcher.cancel()
            if not self._ended.done():
                self._ended.set_result(None)  # the library does not wake waiting callers
            adapter.shut_down(self._bus)
            os.close(self._writable_fd)
