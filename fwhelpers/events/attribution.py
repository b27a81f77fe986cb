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
from collections.abc import Container, Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, NamedTuple, TypeVar

from fwhelpers.engine.expectation_key import ExpectationId
from fwhelpers.events.tracker import Event, EventKind, TrackedExpectation

HOLD = 1.0  #: seconds for which events are held
FORGET = 10.0  #: seconds after which a report and an expectation are no longer joined
LIMIT = 4096  #: held events, kept reports; above it the oldest are released

T = TypeVar("T")


class Announcement(NamedTuple):
    """The part of a worker's report that the kernel does not know."""

    trigger: str  #: the announcing message, for people: "PASV"
    interface: int  #: index of the interface by which it came; 0: unknown
    timeout: int = 0  #: seconds for which the expectation was created


@dataclass(slots=True)
class _Held:
    until: float
    events: list[Event] = field(default_factory=list)


class Attribution:
    """Each method yields the events that are complete now, in their order.

    `ours`: the helpers, by their names in the kernel, whose workers send reports.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.ours: Container[str] = ()
        self._limit = limit
        self._held_events = 0
        self._held: OrderedDict[str, _Held] = OrderedDict()  # by the expectation's id, oldest first
        self._unreported: _Waiting[TrackedExpectation] = _Waiting(limit)
        self._early: _Waiting[Announcement] = _Waiting(limit)

    def add_event(self, event: Event, now: float) -> Iterator[Event]:
        tracked = event.tracked
        if tracked is not None and event.kind is EventKind.CREATED:
            self._hold(tracked, now)
        held = self._held.get(tracked.id) if tracked is not None else None
        if held is None:
            yield event
            return
        held.events.append(event)
        self._held_events += 1
        while self._held_events > self._limit:
            yield from self._release(next(iter(self._held)))

    def _hold(self, tracked: TrackedExpectation, now: float) -> None:
        if tracked.expectation.helper not in self.ours:
            return
        identity = ExpectationId(tracked.key, tracked.expectation.master)
        announcement = self._early.pop(identity)
        if announcement is not None:
            _attribute(tracked, announcement)
            return
        self._unreported.add(identity, tracked, now + FORGET)
        self._held[tracked.id] = _Held(now + HOLD)

    def add_report(
        self, identity: ExpectationId, announcement: Announcement, now: float
    ) -> Iterator[Event]:
        """Handle the report of an expectation that a worker created, or creates with its next verdict."""
        tracked = self._unreported.pop(identity)
        if tracked is None:
            self._early.add(identity, announcement, now + FORGET)
            return
        _attribute(tracked, announcement)
        yield from self._release(tracked.id)

    def advance(self, now: float) -> Iterator[Event]:
        """Release the events that were held long enough."""
        self._unreported.expire(now)
        self._early.expire(now)
        while self._held and next(iter(self._held.values())).until <= now:
            yield from self._release(next(iter(self._held)))

    def _release(self, name: str) -> Iterator[Event]:
        held = self._held.pop(name, None)
        if held is not None:
            self._held_events -= len(held.events)
            yield from held.events


def _attribute(tracked: TrackedExpectation, announcement: Announcement) -> None:
    tracked.trigger, tracked.interface = announcement.trigger, announcement.interface
    # the kernel reports the remaining time in whole seconds: usually one less
    if tracked.expectation.timeout + 1 == announcement.timeout:
        tracked.expectation = replace(tracked.expectation, timeout=announcement.timeout)


class _Waiting(Generic[T]):
    """Values by key, those of one key in their order, each until its time; above `limit` the oldest goes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._next = 0
        self._entries: OrderedDict[int, tuple[float, Hashable, T]] = OrderedDict()
        self._numbers: dict[Hashable, deque[int]] = {}

    def add(self, key: Hashable, value: T, until: float) -> None:
        """`until` must not be before that of earlier values."""
        self._entries[self._next] = until, key, value
        self._numbers.setdefault(key, deque()).append(self._next)
        self._next += 1
        if len(self._entries) > self._limit:
            self._pop_oldest()

    def pop(self, key: Hashable) -> T | None:
        """Remove and return the oldest value of a key."""
        numbers = self._numbers.get(key)
        if numbers is None:
            return None
        _, _, value = self._entries.pop(numbers.popleft())
        if not numbers:
            del self._numbers[key]
        return value

    def expire(self, now: float) -> None:
        while self._entries and next(iter(self._entries.values()))[0] <= now:
            self._pop_oldest()

    def _pop_oldest(self) -> None:
        _, key, _ = next(iter(self._entries.values()))
        self.pop(key)
