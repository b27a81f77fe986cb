"""Who wants to be told of expectations, and telling them: each at its own speed, none at another's expense.

Events wait in one ring for all. After WINDOW of them a subscriber is pinged, and gets more when it has answered: what
the bus holds for one that does not read stays small. One that falls so far behind that the ring has gone round is told
how many it missed; one that does not answer for PATIENCE seconds is a subscriber no more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import BusError, Connection, Disconnected
from fwhelpers.dbus.fields import lists, values
from fwhelpers.events.stream import EventStream, Item

log = logging.getLogger("fwhelpers")

BATCH = 64  #: events in one signal at most
WINDOW = 512  #: events on their way to a subscriber at most, one batch more or less
PATIENCE = 30.0  #: seconds that a subscriber may take to answer
COALESCE = 0.05  #: seconds in which events are gathered
MAX_SUBSCRIBERS, MAX_OF_USER = 64, 8

SIGNALS = {
    "created": "Created", "matched": "Matched", "expired": "Expired", "withdrawn": "Withdrawn",
    "refused": "Refused", "lost": "EventsLost",
}  # fmt: skip

_NOT_THERE = {
    "org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NoReply", "org.freedesktop.DBus.Error.Disconnected",
    "org.freedesktop.DBus.Error.Timeout", "org.freedesktop.DBus.Error.LimitsExceeded",
    "org.freedesktop.DBus.Error.AccessDenied",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """What a subscriber asked for; empty: everything."""

    helpers: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()


class TooMany(Exception):
    """There are as many subscribers as can be."""


class Subscribers:
    """The subscribers of one connection to the bus."""

    def __init__(self, connection: Connection, events: EventStream) -> None:
        self._connection = connection
        self._events = events
        self._pumps: dict[str, asyncio.Task[None]] = {}
        self._users: dict[str, int] = {}

    def add(self, name: str, user: int, wanted: Filter) -> None:
        """Tell `name` of events from now on; again: of these instead. Raises TooMany."""
        self.remove(name)
        of_user = list(self._users.values()).count(user)
        if len(self._users) >= MAX_SUBSCRIBERS or (user and of_user >= MAX_OF_USER):
            raise TooMany(f"too many subscribers ({MAX_OF_USER} a user, {MAX_SUBSCRIBERS} in all)")
        self._users[name] = user
        ring = self._events.ring
        ring.readers += 1
        pump = self._pump(name, wanted, ring.end)
        self._pumps[name] = asyncio.get_running_loop().create_task(pump)

    def remove(self, name: str) -> bool:
        """Tell it no more; False: it was none."""
        pump = self._pumps.pop(name, None)
        if pump is None:
            return False
        pump.cancel()
        del self._users[name]
        self._events.ring.readers -= 1
        return True

    def __contains__(self, name: str) -> bool:
        return name in self._pumps

    def close(self) -> None:
        """Forget all."""
        for name in list(self._pumps):
            self.remove(name)

    async def _pump(self, name: str, wanted: Filter, number: int) -> None:
        try:
            await self._feed(name, wanted, number)
        except Disconnected:
            return
        except (BusError, TimeoutError) as error:
            why = str(error) or "it does not answer"
            log.info("subscriber %s is not told any more: %s", name, why)
            self.remove(name)
        except Exception:  # a bug
            log.exception("telling subscriber %s", name)
            self.remove(name)

    async def _feed(self, name: str, wanted: Filter, number: int) -> None:
        sent = 0
        while True:
            await self._events.ring.wait(number)
            if self._events.ring.end - number < BATCH:
                await asyncio.sleep(COALESCE)
            taken = self._events.ring.read(number, BATCH)
            number = taken.next
            if taken.lost:
                await self._tell_lost(name, taken.lost)
            mine = [item for item in taken.items if self._is_wanted(item, wanted)]
            await self._tell(name, mine)
            sent += len(mine)
            if sent >= WINDOW:
                await self._ping(name)
                sent = 0

    def _is_wanted(self, item: Item, wanted: Filter) -> bool:
        if item.kind == "lost":
            return True
        name = self._events.helper_name(item.helper)
        return (not wanted.kinds or item.kind in wanted.kinds) and (
            not wanted.helpers or name in wanted.helpers
        )

    async def _tell(self, name: str, items: Iterable[Item]) -> None:
        for kind, same in groupby(items, lambda item: item.kind):
            for signature, body in self._bodies(kind, same):
                await self._signal(name, SIGNALS[kind], signature, body)

    def _bodies(self, kind: str, items: Iterator[Item]) -> Iterator[tuple[str, list[Any]]]:
        described = [self._events.serialize(item) for item in items]
        if kind == "lost":
            yield from (("a{sv}", [values(one)]) for one in described)
        else:
            yield "aa{sv}", [lists(described)]

    async def _tell_lost(self, name: str, count: int) -> None:
        details = {"name": "subscriber", "count": count, "resynchronised": False}
        await self._signal(name, SIGNALS["lost"], "a{sv}", [values(details)])

    async def _signal(self, name: str, member: str, signature: str, body: list[Any]) -> None:
        await self._connection.signal(
            names.PATH, names.EXPECTATIONS, member, signature, body, destination=name
        )

    async def _ping(self, name: str) -> None:
        try:
            await self._connection.call(name, "/", names.PEER, "Ping", patience=PATIENCE)
        except BusError as error:
            if error.name in _NOT_THERE:
                raise
            # whoever answers that it knows no Ping has read what came before it
