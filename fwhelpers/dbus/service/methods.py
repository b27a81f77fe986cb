"""What clients may call: a method's rights, its arguments, what it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import BusError, Call, Connection
from fwhelpers.dbus.fields import lists, values
from fwhelpers.dbus.service.control import Control, ControlError
from fwhelpers.dbus.service.subscriptions import SIGNALS, Filter, Subscribers, TooMany
from fwhelpers.events.stream import EventStream

PAGE = 256  #: expectations in one answer of List at most

Body = list[Any]


@dataclass(frozen=True, slots=True)
class Handler:
    """A method: the polkit action that the caller must be authorized for ("": anybody may), and what it does."""

    action: str
    run: Callable[[Call], Awaitable[Body]]


class Methods:
    """The handlers of our own interfaces. They raise BusError and ControlError."""

    def __init__(
        self,
        control: Control,
        events: EventStream,
        subscribers: Subscribers,
        connection: Connection,
    ) -> None:
        self._control = control
        self._events = events
        self._subscribers = subscribers
        self._connection = connection

    def table(self) -> Mapping[tuple[str, str], Handler]:
        """All handlers by interface and member."""
        manager = {
            "ListHelpers": Handler("", self._list_helpers),
            "DescribeHelper": Handler("", self._describe_helper),
            "ListPlugins": Handler("", self._list_plugins),
            "GetCounters": Handler("", self._get_counters),
            "EnableHelper": Handler(names.MANAGE, self._enable),
            "DisableHelper": Handler(names.MANAGE, self._disable),
            "Reload": Handler(names.RELOAD, self._reload),
            "GetRuleset": Handler(names.DETAILS, self._get_ruleset),
            "Probe": Handler(names.DETAILS, self._probe),
        }
        expectations = {
            "List": Handler(names.DETAILS, self._list),
            "Subscribe": Handler(names.DETAILS, self._subscribe),
            "Unsubscribe": Handler("", self._unsubscribe),
        }
        return {(names.MANAGER, name): handler for name, handler in manager.items()} | {
            (names.EXPECTATIONS, name): handler for name, handler in expectations.items()
        }

    # Manager

    async def _list_helpers(self, call: Call) -> Body:
        return [lists(self._control.helpers())]

    async def _describe_helper(self, call: Call) -> Body:
        (name,) = call.body
        for helper in self._control.helpers():
            if helper["name"] == name:
                return [values(helper)]
        raise ControlError(names.NO_SUCH_HELPER, f"there is no helper {ascii(name)[1:-1]}")

    async def _list_plugins(self, call: Call) -> Body:
        return [lists(self._control.plugins())]

    async def _get_counters(self, call: Call) -> Body:
        counters = {h["name"]: dict(h["counters"]) for h in self._control.helpers()}
        return [counters, lists(self._control.workers())]

    async def _enable(self, call: Call) -> Body:
        return await self._switch(call, True)

    async def _disable(self, call: Call) -> Body:
        return await self._switch(call, False)

    async def _switch(self, call: Call, enabled: bool) -> Body:
        name, given = call.body
        persist = options(given, persist=bool).get("persist", False)
        return [values(await self._control.enable(name, enabled, persist))]

    async def _reload(self, call: Call) -> Body:
        options(call.body[0])
        return [values(await self._control.reload())]

    async def _get_ruleset(self, call: Call) -> Body:
        return [self._control.ruleset()]

    async def _probe(self, call: Call) -> Body:
        return [lists(await self._control.probe())]

    # Expectations

    async def _list(self, call: Call) -> Body:
        given = options(call.body[0], helper=str, state=str, limit=int, after=str)
        limit = min(given.get("limit") or PAGE, PAGE)
        holes = iter(self._events.expectations())
        after = given.get("after")
        if after:
            holes = iter([hole for hole in holes if _number(hole.id) > _number(after)])
        found: list[dict[str, Any]] = []
        last = ""
        for hole in islice(holes, limit):
            last = hole.id
            told = self._events.serialize_expectation(hole)
            if all(told[key] == given.get(key, told[key]) for key in ("helper", "state")):
                found.append(told)
        return [lists(found), last if next(holes, None) is not None else ""]

    async def _subscribe(self, call: Call) -> Body:
        given = options(call.body[0], helpers=list, events=list)
        wanted = Filter(frozenset(given.get("helpers", ())), frozenset(given.get("events", ())))
        unknown = wanted.kinds - SIGNALS.keys()
        if unknown:
            raise BusError(names.INVALID_ARGS, f"events: there are only {', '.join(SIGNALS)}")
        user = await self._connection.uid_of(call.sender)
        try:
            self._subscribers.add(call.sender, user, wanted)
        except TooMany as error:
            raise ControlError(names.LIMIT, str(error)) from None
        return [{}]

    async def _unsubscribe(self, call: Call) -> Body:
        self._subscribers.remove(call.sender)
        return []


def _number(name: str) -> int:
    """An expectation's place in the order of creation."""
    _, _, number = name.partition("-")
    if not number.isdecimal():
        raise BusError(names.INVALID_ARGS, "after: there is no such id")
    return int(number)


def options(given: Mapping[str, Any], **known: type) -> dict[str, Any]:
    """Check a dictionary of options. Raises BusError for one that is not known or of the wrong type."""
    for key, value in given.items():
        if key not in known:
            offer = ", ".join(known) or "none"
            raise BusError(names.INVALID_ARGS, f"unknown option {key!a} (known: {offer})")
        strings = not isinstance(value, list) or all(isinstance(one, str) for one in value)
        if type(value) is not known[key] or not strings:
            raise BusError(names.INVALID_ARGS, f"option {key} is of the wrong type")
    return dict(given)
