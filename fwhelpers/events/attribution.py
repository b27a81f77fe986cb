"""Which announcement made which expectation: the kernel's events and the workers' words, brought together. Pure.

The two come by different ways, in either order: the words first where the expectation is made by the verdict that
follows them, or the kernel first, even with the expectation's end if a connection uses it at once. Whoever is told of
an expectation is told of its beginning first, and what announced it; so what happens to one of ours waits until its
worker has spoken. A worker may have died, or only count (it tells 100 notes a second): then it is told without.

    events ──▶ take ─┬─ not one of ours, or its worker has spoken ─────▶ told
                     └─ held, each expectation's in their order ─┬─────▶ told
    words  ──▶ said ─── kept, if there is no expectation yet ────┘
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Container, Hashable, Iterator
from dataclasses import dataclass, field, replace
from typing import Generic, NamedTuple, TypeVar

from fwhelpers.engine.expectation_key import ExpectationId
from fwhelpers.events.tracker import Event, TrackedExpectation

HOLD = 1.0  #: seconds that an expectation's events wait for its worker's words
FORGET = 10.0  #: seconds after which words and an expectation are not brought together any more
#: events that are held, words that are kept; of more than that the oldest wait no longer
LIMIT = 4096

T = TypeVar("T")


class WorkerReport(NamedTuple):
    """What a worker says of one."""

    what: str  #: what announced it, for people: "PASV"
    interface: int  #: index of the interface by which the announcement came; 0 if not known
    timeout: int = 0  #: seconds that the expectation was to live


@dataclass(slots=True)
class _Held:
    until: float
    events: list[Event] = field(default_factory=list)


class Attribution:
    """Holds events until they are complete. What a method yields may be told now, in this order.

    `ours`: the helpers, by the kernel's names, whose workers speak.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.ours: Container[str] = ()
        self._limit = limit
        self._count = 0  # of held events
        self._held: OrderedDict[str, _Held] = OrderedDict()  # by the expectation's id, oldest first
        self._silent: _Waiting[TrackedExpectation] = _Waiting(limit)
        self._early: _Waiting[WorkerReport] = _Waiting(limit)

    def take(self, event: Event, now: float) -> Iterator[Event]:
        """Something happened to an expectation."""
        hole = event.tracked
        if hole is not None and event.kind == "created":
            self._begin(hole, now)
        held = self._held.get(hole.id) if hole is not None else None
        if held is None:
            yield event
            return
        held.events.append(event)
        self._count += 1
        while self._count > self._limit:
            yield from self._let_go(next(iter(self._held)))

    def _begin(self, hole: TrackedExpectation, now: float) -> None:
        if hole.expectation.helper not in self.ours:
            return
        made = ExpectationId(hole.key, hole.expectation.master)
        words = self._early.pop(made)
        if words is not None:
            _attribute(hole, words)
            return
        self._silent.add(made, hole, now + FORGET)
        self._held[hole.id] = _Held(now + HOLD)

    def said(self, made: ExpectationId, words: WorkerReport, now: float) -> Iterator[Event]:
        """A worker told of an expectation that it made, or makes with its next verdict."""
        hole = self._silent.pop(made)
        if hole is None:
            self._early.add(made, words, now + FORGET)
            return
        _attribute(hole, words)
        yield from self._let_go(hole.id)

    def passed(self, now: float) -> Iterator[Event]:
        """Time has passed."""
        self._silent.passed(now)
        self._early.passed(now)
        while self._held and next(iter(self._held.values())).until <= now:
            yield from self._let_go(next(iter(self._held)))

    def _let_go(self, name: str) -> Iterator[Event]:
        held = self._held.pop(name, None)
        if held is not None:
            self._count -= len(held.events)
            yield from held.events


def _attribute(hole: TrackedExpectation, words: WorkerReport) -> None:
    hole.what, hole.interface = words.what, words.interface
    # the kernel tells what is left of its time, in whole seconds: as a rule one less
    if hole.expectation.timeout + 1 == words.timeout:
        hole.expectation = replace(hole.expectation, timeout=words.timeout)


class _Waiting(Generic[T]):
    """Things by key, those of one key in their order, each for its time; of more than `limit` the oldest goes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._next = 0
        self._things: OrderedDict[int, tuple[float, Hashable, T]] = OrderedDict()
        self._numbers: dict[Hashable, deque[int]] = {}

    def add(self, key: Hashable, thing: T, until: float) -> None:
        """Have it wait; no earlier than those before it."""
        self._things[self._next] = until, key, thing
        self._numbers.setdefault(key, deque()).append(self._next)
        self._next += 1
        if len(self._things) > self._limit:
            self._pop_oldest()

    def pop(self, key: Hashable) -> T | None:
        """The first one with this key, which waits no more."""
        numbers = self._numbers.get(key)
        if numbers is None:
            return None
        _, _, thing = self._things.pop(numbers.popleft())
        if not numbers:
            del self._numbers[key]
        return thing

    def passed(self, now: float) -> None:
        """Time has passed."""
        while self._things and next(iter(self._things.values()))[0] <= now:
            self._pop_oldest()

    def _pop_oldest(self) -> None:
        _, key, _ = next(iter(self._things.values()))
        self.pop(key)
