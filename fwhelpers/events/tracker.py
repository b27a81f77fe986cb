"""Which expectations exist, which connections they led to, and how they ended. Pure: facts and the time go in.

The kernel reports an expectation's creation and end, but not why it ended, and deletes an expired one only when it
comes across it (42 s late in one measurement). So the tracker computes the expiry itself, and waits for GRACE seconds
after an end: the end of an expectation that a connection used comes just before that connection is confirmed.

    created ─┬─▶ matched (again and again, if permanent)
             ├─▶ expired
             └─▶ withdrawn (by us or somebody else, or its master ended)
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from fwhelpers.engine.expectation_key import ExpectationKey, key_of
from fwhelpers.kernel.conntrack import Conntrack, Tuple
from fwhelpers.kernel.expect import Expectation

GRACE = 2.0  #: seconds from an expectation's end within which its connection may still appear
ROUNDING = 1.5  #: seconds by which the kernel's remaining lifetime may be short: it rounds down
MAX_TRACKED = 16384  #: live and used expectations; above it the oldest is forgotten
MAX_MASTERS = 16384

Connection = tuple[int, Tuple]  #: zone and original direction


class EventKind(StrEnum):
    """What happens to an expectation, and in the stream of events."""

    CREATED = "created"
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


@dataclass(slots=True)
class TrackedExpectation:
    """An expectation from its creation to the end of the connections that it led to."""

    id: str
    expectation: Expectation
    since: float
    until: float  #: when it expires
    reply: Tuple | None = None  #: the master's reply direction
    trigger: str = ""  #: the announcing message, for people: "PASV"
    interface: int = 0  #: index of the interface by which the announcement came
    ended_as: EndedAs | None = None  #: None while it exists
    #: open connections by original direction
    connections: dict[Tuple, Conntrack] = field(default_factory=dict)

    @property
    def key(self) -> ExpectationKey:
        return key_of(self.expectation)

    @property
    def master(self) -> Connection:
        """The connection that announced it."""
        return self.expectation.zone, self.expectation.master

    @property
    def is_pending(self) -> bool:
        """May a connection still use it?"""
        return self.ended_as in (None, EndedAs.UNDECIDED)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an expectation."""

    kind: EventKind
    tracked: TrackedExpectation | None  #: None: a match of one that ended before we started
    connection: Conntrack | None = None
    reason: WithdrawReason | None = None


class Tracker:
    """The methods named after facts yield the events that follow from them."""

    def __init__(self, limit: int = MAX_TRACKED) -> None:
        self.dropped = 0  #: expectations forgotten because there were more than `limit`
        self._limit = limit
        self._count = 0
        self._tracked: OrderedDict[str, TrackedExpectation] = OrderedDict()  # by id
        self._live: dict[ExpectationKey, TrackedExpectation] = {}
        self._by_destination: dict[tuple[int, int, bytes, int], dict[str, TrackedExpectation]] = {}
        self._expiring: list[tuple[float, str]] = []
        self._undecided: deque[tuple[float, str]] = deque()
        self._masters: OrderedDict[Connection, Tuple | None] = OrderedDict()
        self._children: dict[Connection, TrackedExpectation] = {}

    def expectations(self) -> list[TrackedExpectation]:
        """Live ones, and used ones whose connections are open; oldest first."""
        return [t for t in self._tracked.values() if not t.ended_as or t.connections]

    # facts

    def created(self, new: Expectation, now: float) -> Iterator[Event]:
        """Handle an expectation-created event."""
        former = self._live.get(key_of(new))
        if former is not None:
            if (former.expectation.id, former.expectation.master) == (new.id, new.master):
                return  # a dump has shown it before
            yield from self.destroyed(former.expectation, now)
        yield Event(EventKind.CREATED, self._add(new, now))

    def destroyed(self, expectation: Expectation, now: float) -> Iterator[Event]:
        """Handle an expectation-destroyed event."""
        tracked = self._live.pop(key_of(expectation), None)
        if tracked is None:
            return
        if now + ROUNDING >= tracked.until:
            yield self._end(tracked, EventKind.EXPIRED)
            return
        tracked.ended_as = EndedAs.UNDECIDED
        self._undecided.append((now + GRACE, tracked.id))

    def connected(self, new: Conntrack) -> Iterator[Event]:
        """Handle the confirmation of a connection; only expected ones matter."""
        if new.master is None:
            return
        self._remove_child(new.zone, new.orig)  # the end of its predecessor was lost
        tracked = self._find(new)
        if tracked is not None:
            tracked.connections[new.orig] = new
            self._children[new.zone, new.orig] = tracked
            if tracked.ended_as:
                tracked.ended_as = EndedAs.MATCHED
                self._unindex(tracked)
        yield Event(EventKind.MATCHED, tracked, new)

    def control(self, zone: int, orig: Tuple, reply: Tuple | None) -> None:
        """Remember a connection with a helper by its two directions."""
        self._masters[zone, orig] = reply
        if len(self._masters) > MAX_MASTERS:
            self._masters.popitem(last=False)

    def live(self, key: ExpectationKey) -> TrackedExpectation | None:
        """The expectation that the kernel has under a key."""
        return self._live.get(key)

    def reply_of(self, master: Connection) -> Tuple | None:
        """The reply direction of a master, if known."""
        return self._masters.get(master)

    def disconnected(self, zone: int, orig: Tuple) -> None:
        """Handle the end of a connection."""
        if (zone, orig) in self._masters:
            self._masters[zone, orig] = None  # marks the ended one: its expectations end with it
            self._masters.move_to_end((zone, orig), last=False)
        self._remove_child(zone, orig)

    def advance(self, now: float) -> Iterator[Event]:
        """Yield the events that follow from the time alone."""
        while self._expiring and self._expiring[0][0] <= now:
            _, name = heapq.heappop(self._expiring)
            tracked = self._tracked.get(name)
            if tracked is not None and not tracked.ended_as:
                self._live.pop(tracked.key, None)
                yield self._end(tracked, EventKind.EXPIRED)
        while self._undecided and self._undecided[0][0] <= now:
            _, name = self._undecided.popleft()
            tracked = self._tracked.get(name)
            if tracked is not None and tracked.ended_as is EndedAs.UNDECIDED:
                yield self._end(tracked, EventKind.WITHDRAWN, self._reason(tracked))

    def resync(self, dump: Iterable[Expectation], now: float) -> Iterator[Event]:
        """Compare with a dump of the kernel's table after events were lost."""
        # without a full second left it counts as expired, though the kernel may list it for a while
        listed = {key_of(e): e for e in dump if e.timeout}
        for key in [key for key in self._live if key not in listed]:
            yield self._end(self._live.pop(key), EventKind.WITHDRAWN, WithdrawReason.LOST)
        for expectation in listed.values():
            yield from self.created(expectation, now)

    # bookkeeping

    def _remove_child(self, zone: int, orig: Tuple) -> None:
        tracked = self._children.pop((zone, orig), None)
        if tracked is not None:
            tracked.connections.pop(orig, None)
            self._remove_if_over(tracked)

    def _add(self, new: Expectation, now: float) -> TrackedExpectation:
        self._count += 1
        name = f"{new.id:08x}-{self._count}"
        tracked = TrackedExpectation(name, new, now, now + new.timeout + 1.0)
        self._tracked[name] = tracked
        self._live[tracked.key] = tracked
        self._by_destination.setdefault(_destination(new.zone, new.tuple), {})[name] = tracked
        self._schedule(tracked)
        if len(self._tracked) > self._limit:
            self.dropped += 1
            self._forget(next(iter(self._tracked.values())))
        return tracked

    def _schedule(self, tracked: TrackedExpectation) -> None:
        heapq.heappush(self._expiring, (tracked.until, tracked.id))
        if len(self._expiring) > 4 * self._limit:  # most of them ended long before
            self._expiring = [(t.until, t.id) for t in self._live.values()]
            heapq.heapify(self._expiring)

    def _find(self, new: Conntrack) -> TrackedExpectation | None:
        for tracked in self._by_destination.get(_destination(new.zone, new.orig), {}).values():
            expectation = tracked.expectation
            if expectation.master == new.master and fits(new.orig, expectation):
                return tracked
        return None

    def _reason(self, tracked: TrackedExpectation) -> WithdrawReason:
        if tracked.master in self._masters and self._masters[tracked.master] is None:
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
            self._tracked.pop(tracked.id, None)

    def _forget(self, tracked: TrackedExpectation) -> None:
        self._tracked.pop(tracked.id, None)
        if self._live.get(tracked.key) is tracked:
            del self._live[tracked.key]
        self._unindex(tracked)
        for orig in tracked.connections:
            self._children.pop((tracked.expectation.zone, orig), None)
        tracked.ended_as = EndedAs.FORGOTTEN

    def _unindex(self, tracked: TrackedExpectation) -> None:
        destination = _destination(tracked.expectation.zone, tracked.expectation.tuple)
        same = self._by_destination.get(destination)
        if same is not None:
            same.pop(tracked.id, None)
            if not same:
                del self._by_destination[destination]


def fits(orig: Tuple, expectation: Expectation) -> bool:
    """Is a connection the expected one (nf_ct_tuple_mask_cmp)?"""
    expected, mask = expectation.tuple, expectation.mask
    return (
        (orig.l4, orig.dst, orig.dport) == (expected.l4, expected.dst, expected.dport)
        and len(orig.src) == len(expected.src)
        and _masked(orig.src, mask.src) == _masked(expected.src, mask.src)
        and orig.sport & mask.sport == expected.sport & mask.sport
    )


def _masked(address: bytes, mask: bytes) -> int:
    return int.from_bytes(address, "big") & int.from_bytes(mask, "big")


def _destination(zone: int, value: Tuple) -> tuple[int, int, bytes, int]:
    return zone, value.l4, value.dst, value.dport
