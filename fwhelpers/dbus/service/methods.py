"""The methods of our own interfaces: required authorization, arguments, implementation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection, Message
from fwhelpers.dbus.fields import to_variants
from fwhelpers.dbus.service import options
from fwhelpers.dbus.service.control import Control, ControlError, Values
from fwhelpers.dbus.service.statistics import statistics
from fwhelpers.dbus.service.subscriptions import SIGNALS, Filter, Subscriptions, TooManySubscribers
from fwhelpers.events.stream import EventStream

PAGE = 256  #: expectations in one reply of List at most

Body = list[Any]

_SWITCH_OPTIONS = {"persist": options.boolean}
_LIST_FILTER = {
    "helper": options.text, "state": options.one_of("pending", "matched"),
    "limit": options.positive, "after": options.expectation_id,
}  # fmt: skip
_REFUSALS_FILTER = {"helper": options.text, "limit": options.positive}
_SUBSCRIBE_OPTIONS = {
    "helpers": options.names_list,
    "events": options.some_of(*SIGNALS),
}


@dataclass(frozen=True, slots=True)
class Handler:
    """A method; `action` is the polkit action that it requires, empty for all callers."""

    action: str
    run: Callable[[Message], Awaitable[Body]]


class Methods:
    """The handlers of our own interfaces. They raise BusError and ControlError."""

    def __init__(
        self,
        control: Control,
        events: EventStream,
        subscriptions: Subscriptions,
        connection: Connection,
    ) -> None:
        self._control = control
        self._events = events
        self._subscriptions = subscriptions
        self._connection = connection

    def table(self) -> Mapping[tuple[str, str], Handler]:
        """Return all handlers by interface and member."""
        manager = {
            "ListHelpers": Handler("", self._list_helpers),
            "GetHelper": Handler("", self._get_helper),
            "ListPlugins": Handler("", self._list_plugins),
            "GetCounters": Handler("", self._get_counters),
            "GetStatistics": Handler("", self._get_statistics),
            "EnableHelper": Handler(names.MANAGE, self._enable),
            "DisableHelper": Handler(names.MANAGE, self._disable),
            "Reload": Handler(names.RELOAD, self._reload),
            "GetRuleset": Handler(names.DETAILS, self._get_ruleset),
            "CheckKernel": Handler(names.DETAILS, self._check_kernel),
        }
        expectations = {
            "List": Handler(names.DETAILS, self._list),
            "ListRefusals": Handler(names.DETAILS, self._list_refusals),
            "Subscribe": Handler(names.DETAILS, self._subscribe),
            "Unsubscribe": Handler("", self._unsubscribe),
        }
        return {(names.MANAGER, name): handler for name, handler in manager.items()} | {
            (names.EXPECTATIONS, name): handler for name, handler in expectations.items()
        }

    # Manager

    async def _list_helpers(self, call: Message) -> Body:
        return [_all_to_variants(self._control.helpers())]

    async def _get_helper(self, call: Message) -> Body:
        (name,) = call.body
        helpers = {helper["name"]: helper for helper in self._control.helpers()}
        if name not in helpers:
            raise ControlError(names.NO_SUCH_HELPER, no_such_helper(name, helpers))
        return [to_variants(helpers[name])]

    async def _list_plugins(self, call: Message) -> Body:
        return [_all_to_variants(self._control.plugins())]

    async def _get_counters(self, call: Message) -> Body:
        counters = {h["name"]: dict(h["counters"]) for h in self._control.helpers()}
        return [counters, _all_to_variants(self._control.workers())]

    async def _get_statistics(self, call: Message) -> Body:
        service, helpers, workers = statistics(self._control, self._events)
        return [to_variants(service), _all_to_variants(helpers), _all_to_variants(workers)]

    async def _enable(self, call: Message) -> Body:
        return await self._switch(call, True)

    async def _disable(self, call: Message) -> Body:
        return await self._switch(call, False)

    async def _switch(self, call: Message, enabled: bool) -> Body:
        name, arguments = call.body
        persist = options.parse_options(arguments, _SWITCH_OPTIONS).get("persist", False)
        return [to_variants(await self._control.enable(name, enabled, persist))]

    async def _reload(self, call: Message) -> Body:
        options.parse_options(call.body[0], {})
        return [to_variants(await self._control.reload())]

    async def _get_ruleset(self, call: Message) -> Body:
        return [self._control.ruleset()]

    async def _check_kernel(self, call: Message) -> Body:
        return [_all_to_variants(await self._control.probe())]

    # Expectations

    async def _list(self, call: Message) -> Body:
        query = options.parse_options(call.body[0], _LIST_FILTER)
        after = query.get("after", -1)
        expectations = (e for e in self._events.expectations() if e.number > after)
        page, last = [], ""
        for expectation in islice(expectations, min(query.get("limit", PAGE), PAGE)):
            last = expectation.id
            values = self._events.serialize_expectation(expectation)
            if all(query.get(key, values[key]) == values[key] for key in ("helper", "state")):
                page.append(values)
        more = next(expectations, None) is not None
        return [_all_to_variants(page), last if more else ""]

    async def _list_refusals(self, call: Message) -> Body:
        query = options.parse_options(call.body[0], _REFUSALS_FILTER)
        refusals = [
            values
            for values in self._events.recent_refusals()
            if query.get("helper", values["helper"]) == values["helper"]
        ]
        return [_all_to_variants(refusals[-query.get("limit", PAGE) :])]

    async def _subscribe(self, call: Message) -> Body:
        query = options.parse_options(call.body[0], _SUBSCRIBE_OPTIONS)
        event_filter = Filter(query.get("helpers", frozenset()), query.get("events", frozenset()))
        user = await self._connection.uid_of(call.sender)
        try:
            self._subscriptions.add(call.sender, user, event_filter)
        except TooManySubscribers as error:
            raise ControlError(names.LIMIT, str(error)) from None
        return [{}]

    async def _unsubscribe(self, call: Message) -> Body:
        self._subscriptions.remove(call.sender)
        return []


def no_such_helper(name: str, helpers: Mapping[str, Any], reason: str = "") -> str:
    """Return the text of a NoSuchHelper error."""
    text = f"no helper {options.printable(name)}" + (f": {reason}" if reason else "")
    return text + options.suggestion(name, helpers)


def _all_to_variants(rows: list[Values] | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [to_variants(values) for values in rows]
