"""Delivers expectation events to subscribers, each at its own speed.

Events wait in one ring buffer for all subscribers. After WINDOW events a subscriber is pinged and
receives more once it has replied, so that the bus queues little for a slow reader. A subscriber
that falls behind by more than the ring buffer receives the number of events it lost; one that does
not reply for PATIENCE seconds is unsubscribed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection, Target
from fwhelpers.dbus.errors import BusError, Disconnected
from fwhelpers.dbus.fields import to_variants
from fwhelpers.events.stream import EventStream, Item

log = logging.getLogger("fwhelpers")

BATCH = 64  #: events in one signal at most
WINDOW = 512  #: events sent without a reply to a ping, plus one batch
PATIENCE = 30.0  #: seconds a subscriber may take to reply
COALESCE = 0.05  #: seconds for which events are collected
MAX_SUBSCRIBERS, MAX_OF_USER = 64, 8

SIGNALS = {
    "created": "Created", "renewed": "Renewed", "matched": "Matched", "expired": "Expired",
    "withdrawn": "Withdrawn", "refused": "Refused", "abandoned": "Abandoned", "lost": "EventsLost",
}  # fmt: skip

_UNREACHABLE = {
    "org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Disconnected",
    "org.freedesktop.DBus.Error.Timeout", "org.freedesktop.DBus.Error.LimitsExceeded",
    "org.freedesktop.DBus.Error.AccessDenied",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """The events that a subscriber wants; an empty set stands for all."""

    helpers: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()


class TooManySubscribers(Exception):
    """The limit on subscribers is reached."""


class Subscriptions:
    """The subscribers on one connection to the bus."""

    def __init__(self, connection: Connection, events: EventStream) -> None:
        self._connection = connection
        self._events = events
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._users: dict[str, int] = {}

    def add(self, name: str, user: int, event_filter: Filter) -> None:
        """Subscribe `name`, or replace its filter. Raises TooManySubscribers."""
        self.remove(name)
        of_user = list(self._users.values()).count(user)
        if len(self._users) >= MAX_SUBSCRIBERS or (user and of_user >= MAX_OF_USER):
            raise TooManySubscribers(
                f"too many subscribers ({MAX_OF_USER} a user, {MAX_SUBSCRIBERS} in all)"
            )
        self._users[name] = user
        ring = self._events.ring
        ring.readers += 1
        delivery = self._run(name, event_filter, ring.end)
        self._tasks[name] = asyncio.get_running_loop().create_task(delivery)

    def remove(self, name: str) -> bool:
        """Unsubscribe. Return False if it was not subscribed."""
        task = self._tasks.pop(name, None)
        if task is None:
            return False
        task.cancel()
        del self._users[name]
        self._events.ring.readers -= 1
        return True

    def __contains__(self, name: str) -> bool:
        return name in self._tasks

    def close(self) -> None:
        for name in list(self._tasks):
            self.remove(name)

    async def _run(self, name: str, event_filter: Filter, position: int) -> None:
        try:
            await self._deliver(name, event_filter, position)
        except Disconnected:
            return
        except BusError as error:
            log.info("dropping subscriber %s: %s", name, error)
            self.remove(name)
        except Exception:  # a bug
            log.exception("dropping subscriber %s", name)
            self.remove(name)

    async def _deliver(self, name: str, event_filter: Filter, position: int) -> None:
        sent = 0
        while True:
            await self._events.ring.wait(position)
            if self._events.ring.end - position < BATCH:
                await asyncio.sleep(COALESCE)
            batch = self._events.ring.read(position, BATCH)
            position = batch.next
            if batch.lost:
                details = {"stage": "subscriber", "count": batch.lost, "resynced": False}
                await self._signal(name, SIGNALS["lost"], "a{sv}", to_variants(details))
            items = [item for item in batch.items if self._matches(item, event_filter)]
            await self._emit(name, items)
            sent += len(items)
            if sent >= WINDOW:
                await self._ping(name)
                sent = 0

    def _matches(self, item: Item, event_filter: Filter) -> bool:
        if item.kind == "lost":
            return True
        helper = self._events.helper_name(item.helper)
        return (not event_filter.kinds or item.kind in event_filter.kinds) and (
            not event_filter.helpers or helper in event_filter.helpers
        )

    async def _emit(self, name: str, items: Iterable[Item]) -> None:
        for kind, group in groupby(items, lambda item: item.kind):
            bodies = [to_variants(self._events.serialize(item)) for item in group]
            if kind == "lost":
                for body in bodies:
                    await self._signal(name, SIGNALS[kind], "a{sv}", body)
            else:
                await self._signal(name, SIGNALS[kind], "aa{sv}", bodies)

    async def _signal(self, name: str, member: str, signature: str, argument: Any) -> None:
        await self._connection.emit(
            names.PATH, names.EXPECTATIONS, member, signature, [argument], destination=name
        )

    async def _ping(self, name: str) -> None:
        try:
            await self._connection.call(
                Target(name, "/", names.PEER), "Ping", reply_timeout=PATIENCE
            )
        except BusError as error:
            if error.name in _UNREACHABLE:
                raise
            # a subscriber that replies with "unknown method" has read all earlier messages
