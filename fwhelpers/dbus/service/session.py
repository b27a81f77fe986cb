"""One connection to the bus from start to end: dispatches calls and emits signals."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection, Message
from fwhelpers.dbus.errors import BusError, Disconnected
from fwhelpers.dbus.fields import to_variants
from fwhelpers.dbus.introspection import Interface, all_interfaces
from fwhelpers.dbus.service import objects
from fwhelpers.dbus.service.control import Control, ControlError, Notification, NotificationKind
from fwhelpers.dbus.service.methods import Body, Methods
from fwhelpers.dbus.service.options import invalid, printable
from fwhelpers.dbus.service.polkit import Authority, Denied
from fwhelpers.dbus.service.standard import StandardInterfaces
from fwhelpers.dbus.service.subscriptions import Subscriptions
from fwhelpers.events.stream import EventStream

log = logging.getLogger("fwhelpers")

PERIOD = 1.0  #: seconds between comparisons of the properties
MAX_CALLS, MAX_OF_CALLER = 512, 64  #: calls without a reply yet
#: password dialogues of one user at a time. One waits as long as the user likes, and its call must not take the place
#: of others' calls
MAX_DIALOGUES = 8
MAX_NOTIFICATIONS = 256

_DEPARTURES = (
    f"type='signal',sender='{names.BUS}',interface='{names.BUS}',path='{names.BUS_PATH}',"
    "member='NameOwnerChanged',arg2=''"
)


class Session:
    """`run` returns when the connection has ended."""

    def __init__(self, connection: Connection, control: Control, events: EventStream) -> None:
        self._connection = connection
        self._control = control
        self._events = events
        self._interfaces = all_interfaces()
        self._authority = Authority(connection)
        self._subscriptions = Subscriptions(connection, events)
        self._tree = objects.tree(control, self._interfaces)
        self._handlers = Methods(control, events, self._subscriptions, connection).table()
        self._standard = StandardInterfaces(
            lambda: objects.tree(control, self._interfaces), self._interfaces
        )
        self._calls: dict[asyncio.Task[None], str] = {}
        self._callers: Counter[str] = Counter()
        #: calls waiting for polkit, with their callers; only these may be cancelled
        self._authorizing: dict[asyncio.Task[None], str] = {}
        self._dialogues: Counter[int] = Counter()  # by user
        self._notifications: deque[Notification] = deque(maxlen=MAX_NOTIFICATIONS)
        self._wakeup = asyncio.Event()

    async def run(self) -> None:
        """Serve until the connection ends."""
        self._connection.on_call = self._dispatch
        self._connection.on_signal = self._on_signal
        emitting = asyncio.get_running_loop().create_task(self._emit_signals())
        try:
            await self._connection.add_match(_DEPARTURES)
            await self._connection.wait_closed()
        finally:
            self._subscriptions.close()
            for task in [emitting, *self._authorizing]:
                task.cancel()
            await asyncio.gather(emitting, *self._calls, return_exceptions=True)

    def notify(self, notification: Notification) -> None:
        """Emit the signal of an event soon."""
        self._notifications.append(notification)
        self._wakeup.set()

    # calls

    def _dispatch(self, call: Message) -> None:
        of_caller = self._callers[call.sender]
        if len(self._calls) >= 2 * MAX_CALLS or of_caller >= 2 * MAX_OF_CALLER:
            return  # the caller does not wait for replies, so it gets none
        full = len(self._calls) >= MAX_CALLS or of_caller >= MAX_OF_CALLER
        refusal = self._reply_error(call, names.LIMIT, "too many calls at a time") if full else None
        task = asyncio.get_running_loop().create_task(refusal or self._handle(call))
        self._calls[task] = call.sender
        self._callers[call.sender] += 1
        task.add_done_callback(self._forget_call)

    def _forget_call(self, task: asyncio.Task[None]) -> None:
        sender = self._calls.pop(task)
        self._callers[sender] -= 1
        if not self._callers[sender]:
            del self._callers[sender]

    async def _handle(self, call: Message) -> None:
        try:
            signature, body = await self._invoke(call)
            await self._connection.reply(call, signature, body)
        except Disconnected:
            return
        except Denied as error:
            await self._reply_error(call, names.NOT_AUTHORIZED, str(error))
        except (ControlError, BusError) as error:
            await self._reply_error(call, error.name, str(error))
        except Exception:  # a bug: the traceback is for our log, not for the caller
            log.exception("D-Bus call %s.%s failed", call.interface, call.member)
            await self._reply_error(call, names.FAILED, "internal error, see the service's log")

    async def _reply_error(self, call: Message, name: str, text: str) -> None:
        try:
            await self._connection.reply_error(call, name, text)
        except Disconnected:
            return

    async def _invoke(self, call: Message) -> tuple[str, Body]:
        interface = self._interface_of(call)
        method = interface.methods.get(call.member)
        if method is None:
            raise BusError(names.UNKNOWN_METHOD, f"{interface.name} has no method {call.member}")
        if call.signature != method.arguments:
            raise invalid(f"{call.member} takes ({method.arguments}), not ({call.signature})")
        handler = self._handlers.get((interface.name, call.member))
        if handler is None:
            return method.result, self._standard.invoke(interface.name, call)
        if handler.action:
            await self._authorize(call, handler.action)
        return method.result, await handler.run(call)

    async def _authorize(self, call: Message, action: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._authorizing[task] = call.sender
        try:
            if call.interactive:
                await self._authorize_by_dialogue(call, action)
            else:
                await self._authority.check(call.sender, action, False)
        finally:
            del self._authorizing[task]

    async def _authorize_by_dialogue(self, call: Message, action: str) -> None:
        user = await self._connection.uid_of(call.sender)
        if self._dialogues[user] >= MAX_DIALOGUES:
            try:
                await self._authority.check(call.sender, action, False)
            except Denied:
                text = f"too many password dialogues at a time ({MAX_DIALOGUES} of a user)"
                raise BusError(names.LIMIT, text) from None
            return
        self._dialogues[user] += 1
        try:
            await self._authority.check(call.sender, action, True)
        finally:
            self._dialogues[user] -= 1
            if not self._dialogues[user]:
                del self._dialogues[user]

    def _interface_of(self, call: Message) -> Interface:
        path = printable(call.path)
        interfaces = self._standard.interfaces_at(call.path)
        if not interfaces:
            raise BusError(names.UNKNOWN_OBJECT, f"no object {path}")
        matching = [i for i in interfaces if i.name == call.interface or not call.interface]
        if not matching:
            raise BusError(names.UNKNOWN_INTERFACE, f"{path} has no interface {call.interface}")
        # a call may omit the interface: take the first that has such a method
        return next((i for i in matching if call.member in i.methods), matching[0])

    # callers that leave the bus

    def _on_signal(self, signal: Message) -> None:
        if (signal.sender, signal.member) != (names.BUS, "NameOwnerChanged"):
            return
        name, _, owner = signal.body
        if not owner:
            self._subscriptions.remove(name)
            for task, sender in list(self._authorizing.items()):
                if sender == name:
                    task.cancel()

    # signals

    async def _emit_signals(self) -> None:
        try:
            while True:
                try:
                    async with asyncio.timeout(PERIOD):
                        await self._wakeup.wait()
                except TimeoutError:
                    pass
                self._wakeup.clear()
                await self._emit_pending()
        except Disconnected:
            return

    async def _emit_pending(self) -> None:
        try:
            await self._emit_changes()
            while self._notifications:
                await self._emit_notification(self._notifications.popleft())
            await self._emit_counts()
        except Disconnected:
            raise
        except Exception:  # a bug: later signals are emitted nevertheless
            log.exception("emitting D-Bus signals failed")

    async def _emit_changes(self) -> None:
        now = objects.tree(self._control, self._interfaces)
        for change in objects.changes(self._tree, now, self._interfaces):
            await self._connection.emit(*change)
        self._tree = now

    async def _emit_notification(self, notification: Notification) -> None:
        details = to_variants(notification.details)
        body: list[Any]
        match notification.kind:
            case NotificationKind.RULESET_REPLACED:
                member, signature, body = "RulesetReplaced", "a{sv}", [details]
            case NotificationKind.HELPER_FAILED:
                member, signature, body = "HelperFailed", "sa{sv}", [notification.name, details]
            case NotificationKind.WORKER_RESTARTED:
                worker = names.worker_path(notification.queue)
                member, signature, body = "WorkerRestarted", "oa{sv}", [worker, details]
        await self._connection.emit(names.PATH, names.MANAGER, member, signature, body)

    async def _emit_counts(self) -> None:
        counts = self._events.pop_counters()
        if counts:
            await self._connection.emit(
                names.PATH, names.EXPECTATIONS, "EventCounts", "a{sa{st}}", [counts]
            )
