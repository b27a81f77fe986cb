"""Which expectations exist, which connections they led to, and how they ended. Pure: facts and the time go in.

The kernel reports an expectation's creation and end, but not why it ended, and deletes an expired one only when it
comes across it (42 s late in one measurement). So the tracker computes the expiry itself, and waits for GRACE seconds
after an end: the end of an expectation that a connection used comes just before that connection is confirmed.

    created ─┬─▶ renewed, or matched (again and again, if permanent)
             ├─▶ expired
             └─▶ withdrawn (by us or somebody else, or its master ended)
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.raw_events import ExpectationBytes, RawConnection, RawExpectation, is_expected

GRACE = 2.0  #: seconds from an expectation's end within which its connection may still appear
ROUNDING = 1.5  #: seconds by which the kernel's remaining lifetime may be short: it rounds down
MAX_TRACKED = 16384  #: live and used expectations; above it the oldest is forgotten
MAX_MASTERS = 16384
#: open connections that are followed, of one expectation and of all; above it the oldest is forgotten. The end of one
#: may have been among lost events, and a permanent expectation may lead to any number
MAX_OF_ONE, MAX_CHILDREN = 256, 16384


class EventKind(StrEnum):
    """What happens to an expectation, and in the stream of events."""

    CREATED = "created"
    RENEWED = "renewed"  #: its lifetime begins again
    MATCHED = "matched"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"  #: an announcement was refused
    ABANDONED = "abandoned"  #: a helper gave a connection up
    LOST = "lost"  #: events were lost


class WithdrawReason(StrEnum):
    """Why an expectation was withdrawn."""

    MASTER_ENDED = "master-ended"
    REMOVED = "removed"
    LOST = "lost"  #: found in a dump after events were lost


class EndedAs(StrEnum):
    """How a tracked expectation ended."""

    UNDECIDED = "undecided"  #: it is gone; its connection may still appear
    MATCHED = "matched"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    FORGOTTEN = "forgotten"


class TrackedExpectation:
    """An expectation from its creation to the end of the connections that it led to."""

    __slots__ = (
        "_expectation", "connections", "ended_as", "interface", "number", "raw", "reply", "since", "trigger", "until",
    )  # fmt: skip

    def __init__(
        self, number: int, raw: RawExpectation, since: float, until: float, trigger: str = ""
    ) -> None:
        self.number = number  #: since the start
        self.raw = raw
        self.since = since
        self.until = until  #: when it expires
        self.trigger = trigger  #: the announcing message, for people: "PASV"
        self.interface = 0  #: index of the interface by which the announcement came
        self.reply: Tuple | None = None  #: the master's reply direction
        self.ended_as: EndedAs | None = None  #: None while it exists
        #: open connections by their identities
        self.connections: dict[bytes, RawConnection] = {}
        self._expectation: Expectation | None = None

    @property
    def id(self) -> str:
        return f"{self.raw.id:08x}-{self.number}"

    @property
    def expectation(self) -> Expectation:
        """All of the expectation, which is decoded when this is first asked for."""
        if self._expectation is None:
            self._expectation = self.raw.decode()
            self._expectation.timeout = self.raw.timeout
        return self._expectation

    @property
    def is_pending(self) -> bool:
        """May a connection still use it?"""
        return self.ended_as is None or self.ended_as is EndedAs.UNDECIDED

    def set_timeout(self, seconds: int) -> None:
        """Replace the lifetime that the kernel reported."""
        self.raw = self.raw._replace(timeout=seconds)
        self._expectation = None


class Event(NamedTuple):
    """Something that happened to an expectation."""

    kind: EventKind
    tracked: TrackedExpectation | None  #: None: a match of one that ended before we started
    connection: RawConnection | None = None
    reason: WithdrawReason | None = None


Events = Sequence[Event]
_NONE: Events = ()


class Tracker:
    """The methods named after facts return the events that follow from them."""

    def __init__(self, limit: int = MAX_TRACKED) -> None:
        self.dropped = 0  #: expectations forgotten because there were more than `limit`
        self._limit = limit
        self._count = 0
        self._tracked: OrderedDict[int, TrackedExpectation] = OrderedDict()  # by number
        self._live: dict[bytes, TrackedExpectation] = {}  # by key
        self._by_destination: dict[bytes, dict[int, TrackedExpectation]] = {}
        self._expiring: list[tuple[float, int]] = []  # a heap
        self._undecided: deque[tuple[float, TrackedExpectation]] = deque()
        #: the event or the reply direction; None: it has ended
        self._masters: OrderedDict[bytes, RawConnection | Tuple | None] = OrderedDict()
        self._children: OrderedDict[bytes, TrackedExpectation] = OrderedDict()

    def expectations(self) -> list[TrackedExpectation]:
        """Live ones, and used ones whose connections are open; oldest first."""
        return [t for t in self._tracked.values() if not t.ended_as or t.connections]

    # facts

    def created(self, new: RawExpectation, now: float) -> Events:
        """Handle an expectation-created event."""
        former = self._live.get(new.identity.key)
        if former is None:
            return (Event(EventKind.CREATED, self._add(new, now)),)
        if (former.raw.id, former.raw.identity) == (new.id, new.identity):
            return _NONE  # a dump has shown it before
        ended = self.destroyed(former.raw, now)
        return (*ended, Event(EventKind.CREATED, self._add(new, now)))

    def renewed(self, identity: ExpectationBytes, timeout: int, now: float) -> Events:
        """Handle a worker's report that a live expectation has so many seconds from now. The kernel reports nothing."""
        tracked = self._live.get(identity.key)
        if tracked is None or tracked.raw.identity.master != identity.master:
            return _NONE
        tracked.until = now + timeout + 1.0
        tracked.set_timeout(timeout)
        self._schedule(tracked)
        return (Event(EventKind.RENEWED, tracked),)

    def destroyed(self, expectation: RawExpectation, now: float) -> Events:
        """Handle an expectation-destroyed event."""
        tracked = self._live.pop(expectation.identity.key, None)
        if tracked is None:
            return _NONE
        if now + ROUNDING >= tracked.until:
            return (self._end(tracked, EventKind.EXPIRED),)
        tracked.ended_as = EndedAs.UNDECIDED
        self._undecided.append((now + GRACE, tracked))
        return _NONE

    def connected(self, new: RawConnection) -> Events:
        """Handle the confirmation of a connection; only expected ones matter."""
        if not new.destination:
            return _NONE
        if new.identity in self._children:
            self._remove_child(new.identity)  # the end of its predecessor was lost
        tracked = self._find(new)
        if tracked is not None:
            tracked.connections[new.identity] = new
            self._children[new.identity] = tracked
            if len(tracked.connections) > MAX_OF_ONE:
                self._remove_child(next(iter(tracked.connections)))
            elif len(self._children) > MAX_CHILDREN:
                self._remove_child(next(iter(self._children)))
            if tracked.ended_as is not None:
                tracked.ended_as = EndedAs.MATCHED
                self._unindex(tracked)
        return (Event(EventKind.MATCHED, tracked, new),)

    def control(self, identity: bytes, connection: RawConnection | Tuple) -> None:
        """Remember a connection with a helper: by the event, or by its reply direction."""
        self._masters[identity] = connection
        if len(self._masters) > MAX_MASTERS:
            self._masters.popitem(last=False)

    def live(self, key: bytes) -> TrackedExpectation | None:
        """The expectation that the kernel has under a key (`ExpectationBytes.key`)."""
        return self._live.get(key)

    def reply_of(self, master: bytes) -> Tuple | None:
        """The reply direction of a master, if known."""
        connection = self._masters.get(master)
        return connection.decode().reply if isinstance(connection, RawConnection) else connection

    def disconnected(self, identity: bytes) -> None:
        """Handle the end of a connection."""
        if identity in self._masters:
            self._masters[identity] = None  # marks the ended one: its expectations end with it
            self._masters.move_to_end(identity, last=False)
        if identity in self._children:
            self._remove_child(identity)

    def advance(self, now: float) -> Iterator[Event]:
        """Yield the events that follow from the time alone."""
        while self._expiring and self._expiring[0][0] <= now:
            _, number = heapq.heappop(self._expiring)
            tracked = self._tracked.get(number)
            if tracked is None or tracked.until > now:  # it has ended, or was renewed
                continue
            if not tracked.ended_as:
                self._live.pop(tracked.raw.identity.key, None)
                yield self._end(tracked, EventKind.EXPIRED)
        while self._undecided and self._undecided[0][0] <= now:
            _, tracked = self._undecided.popleft()
            if tracked.ended_as is EndedAs.UNDECIDED:
                yield self._end(tracked, EventKind.WITHDRAWN, self._reason(tracked))

    def resync(self, dump: Iterable[RawExpectation], now: float) -> Iterator[Event]:
        """Compare with a dump of the kernel's table after events were lost."""
        # without a full second left it counts as expired, though the kernel may list it for a while
        listed = {e.identity.key: e for e in dump if e.timeout}
        for key in [key for key in self._live if key not in listed]:
            yield self._end(self._live.pop(key), EventKind.WITHDRAWN, WithdrawReason.LOST)
        for expectation in listed.values():
            yield from self.created(expectation, now)

    # bookkeeping

    def _remove_child(self, identity: bytes) -> None:
        tracked = self._children.pop(identity)
        tracked.connections.pop(identity, None)
        self._remove_if_over(tracked)

    def _add(self, new: RawExpectation, now: float) -> TrackedExpectation:
        self._count = number = self._count + 1
        tracked = TrackedExpectation(number, new, now, now + new.timeout + 1.0)
        self._tracked[number] = tracked
        self._live[new.identity.key] = tracked
        same = self._by_destination.get(new.destination)
        if same is None:
            self._by_destination[new.destination] = {number: tracked}
        else:
            same[number] = tracked
        self._schedule(tracked)
        if len(self._tracked) > self._limit:
            self.dropped += 1
            self._forget(next(iter(self._tracked.values())))
        return tracked

    def _schedule(self, tracked: TrackedExpectation) -> None:
        heapq.heappush(self._expiring, (tracked.until, tracked.number))
        if len(self._expiring) > 4 * self._limit:  # most of them ended long before
            self._expiring = [(t.until, t.number) for t in self._live.values()]
            heapq.heapify(self._expiring)

    def _find(self, new: RawConnection) -> TrackedExpectation | None:
        for tracked in self._by_destination.get(new.destination, {}).values():
            if is_expected(new, tracked.raw):
                return tracked
        return None

    def _reason(self, tracked: TrackedExpectation) -> WithdrawReason:
        if self._masters.get(tracked.raw.identity.master, ()) is None:
            return WithdrawReason.MASTER_ENDED
        return WithdrawReason.REMOVED

    def _end(
        self, tracked: TrackedExpectation, kind: EventKind, reason: WithdrawReason | None = None
    ) -> Event:
        tracked.ended_as = EndedAs(kind)
        self._unindex(tracked)
        self._remove_if_over(tracked)
        return Event(kind, tracked, None, reason)

    def _remove_if_over(self, tracked: TrackedExpectation) -> None:
        if not tracked.is_pending and not tracked.connections:
            self._tracked.pop(tracked.number, None)

    def _forget(self, tracked: TrackedExpectation) -> None:
        del self._tracked[tracked.number]
        key = tracked.raw.identity.key
        if self._live.get(key) is tracked:
            del self._live[key]
        self._unindex(tracked)
        for identity in tracked.connections:
            self._children.pop(identity, None)
        tracked.ended_as = EndedAs.FORGOTTEN

    def _unindex(self, tracked: TrackedExpectation) -> None:
        destination = tracked.raw.destination
        same = self._by_destination.get(destination)
        if same is not None and tracked.number in same:
            del same[tracked.number]
            if not same:
                del self._by_destination[destination]
