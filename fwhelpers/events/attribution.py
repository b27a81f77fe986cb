"""Joins the kernel's events with the workers' reports: which announcement created which expectation. Pure.

The two arrive on different channels, in either order: the report first where the expectation is attached to the verdict
that follows it, or the event first, even the expectation's end if a connection uses it at once. Readers of the stream
get an expectation's creation first, with its announcement; so events of our own expectations are held until the
worker's report arrives. A worker may have died, or have suppressed the report; then the events pass without it.

    events  ──▶ add_event  ─┬─ foreign, or already attributed ─────────────▶ out
                            └─ held, each expectation's in their order ─┬──▶ out
    reports ──▶ add_report ─── kept, if there is no expectation yet ────┘
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Container, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from fwhelpers.events.tracker import Event, EventKind, Events, TrackedExpectation
from fwhelpers.kernel.raw_events import ExpectationBytes

HOLD = 1.0  #: seconds for which events are held
FORGET = 10.0  #: seconds after which a report and an expectation are no longer joined
LIMIT = 4096  #: held events, kept reports; above it the oldest are released

T = TypeVar("T")


class Announcement(NamedTuple):
    """The part of a worker's report that the kernel does not know."""

    trigger: str  #: the announcing message, for people: "PASV"
    interface: int  #: index of the interface by which it came; 0: unknown
    timeout: int = 0  #: seconds for which the expectation was created


class _Held(NamedTuple):
    until: float
    events: list[Event]


class Attribution:
    """Each method returns the events that are complete now, in their order.

    `ours`: the helpers, by their names in the kernel, whose workers send reports. `holding`: are events held? Without
    readers nobody sees their order, and only the expectations get their announcements.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.ours: Container[str] = ()
        self.holding = True
        self._limit = limit
        self._held_events = 0
        self._held: OrderedDict[int, _Held] = (
            OrderedDict()
        )  # by the expectation's number, oldest first
        self._unreported: _Waiting[TrackedExpectation] = _Waiting(limit)
        self._early: _Waiting[Announcement] = _Waiting(limit)

    def add_event(self, event: Event, now: float) -> Events:
        tracked = event.tracked
        if tracked is None:
            return (event,)
        if event.kind is EventKind.CREATED and tracked.raw.helper in self.ours:
            self._expect_report(tracked, now)
        if not self._held:
            return (event,)
        held = self._held.get(tracked.number)
        if held is None:
            return (event,)
        held.events.append(event)
        self._held_events += 1
        released: list[Event] = []
        while self._held_events > self._limit:
            released += self._release(next(iter(self._held)))
        return released

    def _expect_report(self, tracked: TrackedExpectation, now: float) -> None:
        identity = tracked.raw.identity
        announcement = self._early.pop(identity)
        if announcement is not None:
            _attribute(tracked, announcement)
            return
        self._unreported.add(identity, tracked, now + FORGET)
        if self.holding:
            self._held[tracked.number] = _Held(now + HOLD, [])

    def add_report(
        self, identity: ExpectationBytes, announcement: Announcement, now: float
    ) -> Events:
        """Handle the report of an expectation that a worker created, or creates with its next verdict."""
        tracked = self._unreported.pop(identity)
        if tracked is None:
            self._early.add(identity, announcement, now + FORGET)
            return ()
        _attribute(tracked, announcement)
        return self._release(tracked.number)

    def advance(self, now: float) -> Iterator[Event]:
        """Release the events that were held long enough."""
        self._unreported.expire(now)
        self._early.expire(now)
        while self._held and next(iter(self._held.values())).until <= now:
            yield from self._release(next(iter(self._held)))

    def _release(self, number: int) -> Sequence[Event]:
        held = self._held.pop(number, None)
        if held is None:
            return ()
        self._held_events -= len(held.events)
        return held.events


def _attribute(tracked: TrackedExpectation, announcement: Announcement) -> None:
    tracked.trigger, tracked.interface = announcement.trigger, announcement.interface
    # the kernel reports the remaining time in whole seconds: usually one less
    if tracked.raw.timeout + 1 == announcement.timeout:
        tracked.set_timeout(announcement.timeout)


class _Waiting(Generic[T]):
    """Values by identity, those of one identity in their order, each until its time; above `limit` the oldest goes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        #: times and identities in the order of the times, also of values that were removed
        self._order: deque[tuple[float, ExpectationBytes]] = deque()
        self._values: dict[ExpectationBytes, list[tuple[float, T]]] = {}

    def add(self, identity: ExpectationBytes, value: T, until: float) -> None:
        """`until` must not be before that of earlier values."""
        self._order.append((until, identity))
        waiting = self._values.get(identity)
        if waiting is None:
            self._values[identity] = [(until, value)]
        else:
            waiting.append((until, value))
        if len(self._order) > self._limit:
            self._drop_oldest()

    def pop(self, identity: ExpectationBytes) -> T | None:
        """Remove and return the oldest value of an identity."""
        waiting = self._values.get(identity)
        if waiting is None:
            return None
        _, value = waiting.pop(0)
        if not waiting:
            del self._values[identity]
        return value

    def expire(self, now: float) -> None:
        while self._order and self._order[0][0] <= now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        until, identity = self._order.popleft()
        waiting = self._values.get(identity)
        if waiting is not None and waiting[0][0] <= until:
            self.pop(identity)
