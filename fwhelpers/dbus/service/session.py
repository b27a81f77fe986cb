"""One connection to the bus, from its beginning to its end: calls in, answers and signals out."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import BusError, Call, Connection, Disconnected
from fwhelpers.dbus.fields import values
from fwhelpers.dbus.introspection import Interface, all_interfaces
from fwhelpers.dbus.service import objects
from fwhelpers.dbus.service.control import Control, ControlError, Notification
from fwhelpers.dbus.service.methods import Body, Methods
from fwhelpers.dbus.service.polkit import Authority, Denied
from fwhelpers.dbus.service.standard import StandardInterfaces
from fwhelpers.dbus.service.subscriptions import Subscribers
from fwhelpers.events.stream import EventStream

log = logging.getLogger("fwhelpers")

PERIOD = 1.0  #: seconds between looks at what has changed
MAX_CALLS, MAX_OF_CALLER = 512, 64  #: unanswered
MAX_NEWS = 256

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
        self._subscribers = Subscribers(connection, events)
        self._tree = objects.tree(control, self._interfaces)
        methods = Methods(control, events, self._subscribers, connection)
        self._handlers = methods.table()
        self._standard = StandardInterfaces(
            lambda: objects.tree(control, self._interfaces), self._interfaces
        )
        self._calls: dict[asyncio.Task[None], str] = {}
        self._callers: Counter[str] = Counter()
        #: calls that wait for polkit, with their callers: all that may be broken off
        self._asking: dict[asyncio.Task[None], str] = {}
        self._news: deque[Notification] = deque(maxlen=MAX_NEWS)
        self._stir = asyncio.Event()

    async def run(self) -> None:
        """Answer and tell until the connection ends."""
        self._connection.on_call = self._take
        self._connection.on_signal = self._signalled
        telling = asyncio.get_running_loop().create_task(self._tell())
        try:
            await self._connection.add_match(_DEPARTURES)
            await self._connection.wait_closed()
        finally:
            self._subscribers.close()
            for task in [telling, *self._asking]:
                task.cancel()
            await asyncio.gather(telling, *self._calls, return_exceptions=True)

    def hear(self, news: Notification) -> None:
        """Something happened that clients are told of."""
        self._news.append(news)
        self._stir.set()

    # calls

    def _take(self, call: Call) -> None:
        of_caller = self._callers[call.sender]
        if len(self._calls) >= 2 * MAX_CALLS or of_caller >= 2 * MAX_OF_CALLER:
            return  # it can't wait for answers, so it gets none
        full = len(self._calls) >= MAX_CALLS or of_caller >= MAX_OF_CALLER
        work = self._refuse(call) if full else self._answer(call)
        task = asyncio.get_running_loop().create_task(work)
        self._calls[task] = call.sender
        self._callers[call.sender] += 1
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        sender = self._calls.pop(task)
        self._callers[sender] -= 1
        if not self._callers[sender]:
            del self._callers[sender]

    async def _refuse(self, call: Call) -> None:
        await self._fail(call, names.LIMIT, "too many calls at a time")

    async def _answer(self, call: Call) -> None:
        try:
            signature, body = await self._run(call)
            await self._connection.reply(call, signature, body)
        except Disconnected:
            return
        except Denied as error:
            await self._fail(call, names.NOT_AUTHORIZED, str(error))
        except ControlError as error:
            await self._fail(call, error.kind, str(error))
        except BusError as error:
            await self._fail(call, error.name, str(error))
        except Exception:  # a bug of ours: its traceback is for our log, not for strangers
            log.exception("%s.%s failed", call.interface, call.member)
            await self._fail(call, names.FAILED, "internal error, see the service's log")

    async def _fail(self, call: Call, name: str, text: str) -> None:
        try:
            await self._connection.fail(call, name, text)
        except Disconnected:
            return

    async def _run(self, call: Call) -> tuple[str, Body]:
        interface = self._interface_of(call)
        method = interface.methods.get(call.member)
        if method is None:
            raise BusError(names.UNKNOWN_METHOD, f"{interface.name} has no method {call.member}")
        if call.signature != method.takes:
            what = f"{call.member} takes ({method.takes}), not ({call.signature})"
            raise BusError(names.INVALID_ARGS, what)
        handler = self._handlers.get((interface.name, call.member))
        if handler is None:
            return method.gives, self._standard.answer(interface.name, call)
        if handler.action:
            await self._authorize(call, handler.action)
        return method.gives, await handler.run(call)

    async def _authorize(self, call: Call, action: str) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._asking[task] = call.sender
        try:
            await self._authority.check(call.sender, action, call.interactive)
        finally:
            del self._asking[task]

    def _interface_of(self, call: Call) -> Interface:
        there = self._standard.at(call.path)
        if not there:
            raise BusError(names.UNKNOWN_OBJECT, f"there is no object {call.path}")
        named = [i for i in there if i.name == call.interface or not call.interface]
        if not named:
            what = f"{call.path} has no interface {call.interface}"
            raise BusError(names.UNKNOWN_INTERFACE, what)
        # a call may leave the interface out: the first that has such a method
        return next((i for i in named if call.member in i.methods), named[0])

    # callers that go away

    def _signalled(self, signal: Call) -> None:
        if (signal.sender, signal.member) != (names.BUS, "NameOwnerChanged"):
            return
        name, _, owner = signal.body
        if not owner:
            self._subscribers.remove(name)
            for task, sender in list(self._asking.items()):
                if sender == name:
                    task.cancel()

    # signals

    async def _tell(self) -> None:
        try:
            while True:
                try:
                    async with asyncio.timeout(PERIOD):
                        await self._stir.wait()
                except TimeoutError:
                    pass
                self._stir.clear()
                await self._tell_once()
        except Disconnected:
            return

    async def _tell_once(self) -> None:
        try:
            await self._tell_changes()
            while self._news:
                await self._tell_news(self._news.popleft())
            await self._tell_activity()
        except Disconnected:
            raise
        except Exception:  # a bug: what comes later is told all the same
            log.exception("telling on D-Bus")

    async def _tell_changes(self) -> None:
        now = objects.tree(self._control, self._interfaces)
        for change in objects.changes(self._tree, now, self._interfaces):
            await self._connection.signal(*change)
        self._tree = now

    async def _tell_news(self, news: Notification) -> None:
        body: list[Any]
        if news.kind == "ruleset-replaced":
            member, signature, body = "RulesetReplaced", "a{sv}", []
        elif news.kind == "helper-failed":
            member, signature, body = "HelperFailed", "sa{sv}", [news.name]
        else:
            member, signature, body = "WorkerRestarted", "oa{sv}", [names.worker_path(news.queue)]
        body.append(values(news.details))
        await self._connection.signal(names.PATH, names.MANAGER, member, signature, body)

    async def _tell_activity(self) -> None:
        counts = self._events.pop_counters()
        if counts:
            await self._connection.signal(
                names.PATH, names.EXPECTATIONS, "Activity", "a{sa{st}}", [counts]
            )
