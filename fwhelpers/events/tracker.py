"""Which expectations there are, which connections they led to, what became of them. Pure: facts and the time go in.

The kernel tells of an expectation's creation and end, not of *why* it ended, and ends an expired one when it comes
across it (seen 42 s late). So the tracker reckons expiry itself, and waits a moment after an end:
one that a connection has used ends just before that connection is confirmed.

    created ─┬─▶ matched (again and again, if permanent)
             ├─▶ expired
             └─▶ withdrawn (by us or somebody else, or its master ended)
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from fwhelpers.engine.expectation_key import ExpectationKey, key_of
from fwhelpers.kernel.conntrack import Conntrack, Tuple
from fwhelpers.kernel.expect import Expectation

GRACE = 2.0  #: seconds from an expectation's end within which its connection may still show up
ROUNDING = 1.5  #: seconds by which the kernel's remaining lifetime may be short: it rounds down
MAX_TRACKED = 16384  #: expectations and used ones that are remembered; the oldest goes first
MAX_MASTERS = 16384

Connection = tuple[int, Tuple]  #: zone and original direction


@dataclass(slots=True)
class TrackedExpectation:
    """An expectation from its creation to the end of what it led to."""

    id: str
    expectation: Expectation
    since: float
    until: float  #: when it expires
    reply: Tuple | None = None  #: the master's other direction
    what: str = ""  #: what announced it, for people: "PASV"
    interface: int = 0  #: index of the interface by which the announcement came
    over: str = ""  #: how it ended; empty while it is there
    connections: dict[Tuple, Conntrack] = field(
        default_factory=dict
    )  #: alive, by original direction

    @property
    def key(self) -> ExpectationKey:
        """Its key in the kernel."""
        return key_of(self.expectation)

    @property
    def master(self) -> Connection:
        """The connection that announced it."""
        return self.expectation.zone, self.expectation.master


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an expectation."""

    kind: str  #: "created", "matched", "expired" or "withdrawn"
    tracked: TrackedExpectation | None  #: None: matched one that was there before us
    connection: Conntrack | None = None
    reason: str = (
        ""  #: of one that was withdrawn: "master-ended", "removed", or "lost": seen in a dump only
    )


class Tracker:
    """Everything that is known, and what follows from each new fact."""

    def __init__(self, limit: int = MAX_TRACKED) -> None:
        self.dropped = 0  #: forgotten because there were more than `limit`
        self._limit = limit
        self._count = 0
        self._holes: OrderedDict[str, TrackedExpectation] = OrderedDict()
        self._there: dict[ExpectationKey, TrackedExpectation] = {}
        self._aimed: dict[tuple[int, int, bytes, int], dict[str, TrackedExpectation]] = {}
        self._expiring: list[tuple[float, str]] = []
        self._ended: deque[tuple[float, str]] = deque()
        self._masters: OrderedDict[Connection, Tuple | None] = OrderedDict()
        self._children: dict[Connection, TrackedExpectation] = {}

    def holes(self) -> list[TrackedExpectation]:
        """Those that are there, and those used up whose connections are alive; oldest first."""
        return [hole for hole in self._holes.values() if not hole.over or hole.connections]

    # facts

    def created(self, new: Expectation, now: float) -> Iterator[Event]:
        """The kernel has a new expectation."""
        old = self._there.get(key_of(new))
        if old is not None:
            if old.expectation.id == new.id and old.expectation.master == new.master:
                return  # known from a dump
            yield from self.destroyed(old.expectation, now)
        yield Event("created", self._enter(new, now))

    def destroyed(self, gone: Expectation, now: float) -> Iterator[Event]:
        """The kernel has one no more."""
        hole = self._there.pop(key_of(gone), None)
        if hole is None:
            return
        if now + ROUNDING >= hole.until:
            yield from self._end(hole, "expired")
            return
        hole.over = "ended"
        self._ended.append((now + GRACE, hole.id))

    def connected(self, new: Conntrack) -> Iterator[Event]:
        """conntrack has confirmed a connection that was expected."""
        if new.master is None:
            return
        self._parted(new.zone, new.orig)  # its predecessor's end was lost
        hole = self._find(new)
        if hole is not None:
            hole.connections[new.orig] = new
            self._children[new.zone, new.orig] = hole
            if hole.over:
                hole.over = "matched"
                self._unaim(hole)
        yield Event("matched", hole, new)

    def control(self, zone: int, orig: Tuple, reply: Tuple | None) -> None:
        """A connection with a helper is there, with these two directions."""
        self._masters[zone, orig] = reply
        if len(self._masters) > MAX_MASTERS:
            self._masters.popitem(last=False)

    def master(self, connection: Connection) -> Tuple | None:
        """The other direction of a master, if it was told."""
        return self._masters.get(connection)

    def disconnected(self, zone: int, orig: Tuple) -> None:
        """A connection has ended."""
        if (zone, orig) in self._masters:
            self._masters[zone, orig] = None  # what it expects ends with it: that is why
            self._masters.move_to_end((zone, orig), last=False)
        self._parted(zone, orig)

    def passed(self, now: float) -> Iterator[Event]:
        """Time has passed."""
        while self._expiring and self._expiring[0][0] <= now:
            _, name = heapq.heappop(self._expiring)
            hole = self._holes.get(name)
            if hole is not None and not hole.over:
                self._there.pop(hole.key, None)
                yield from self._end(hole, "expired")
        while self._ended and self._ended[0][0] <= now:
            _, name = self._ended.popleft()
            hole = self._holes.get(name)
            if hole is not None and hole.over == "ended":
                yield from self._end(hole, "withdrawn", self._why(hole))

    def resync(self, dump: Iterable[Expectation], now: float) -> Iterator[Event]:
        """Events were lost: this is all that the kernel has."""
        # with no second left it counts as expired, though the kernel may show it for a while
        there = {key_of(e): e for e in dump if e.timeout}
        for key in [key for key in self._there if key not in there]:
            yield from self._end(self._there.pop(key), "withdrawn", "lost")
        for new in there.values():
            yield from self.created(new, now)

    # bookkeeping

    def _parted(self, zone: int, orig: Tuple) -> None:
        hole = self._children.pop((zone, orig), None)
        if hole is not None:
            hole.connections.pop(orig, None)
            self._settle(hole)

    def _enter(self, new: Expectation, now: float) -> TrackedExpectation:
        self._count += 1
        hole = TrackedExpectation(f"{new.id:08x}-{self._count}", new, now, now + new.timeout + 1.0)
        self._holes[hole.id] = hole
        self._there[hole.key] = hole
        self._aimed.setdefault(_aim(new.zone, new.tuple), {})[hole.id] = hole
        self._remind(hole)
        if len(self._holes) > self._limit:
            self.dropped += 1
            self._forget(next(iter(self._holes.values())))
        return hole

    def _remind(self, hole: TrackedExpectation) -> None:
        heapq.heappush(self._expiring, (hole.until, hole.id))
        if len(self._expiring) > 4 * self._limit:  # most of them have ended long before
            self._expiring = [(h.until, h.id) for h in self._there.values()]
            heapq.heapify(self._expiring)

    def _find(self, new: Conntrack) -> TrackedExpectation | None:
        for hole in self._aimed.get(_aim(new.zone, new.orig), {}).values():
            e = hole.expectation
            if e.master == new.master and fits(new.orig, e):
                return hole
        return None

    def _why(self, hole: TrackedExpectation) -> str:
        ended = hole.master in self._masters and self._masters[hole.master] is None
        return "master-ended" if ended else "removed"

    def _end(self, hole: TrackedExpectation, kind: str, reason: str = "") -> Iterator[Event]:
        hole.over = kind
        self._unaim(hole)
        self._settle(hole)
        yield Event(kind, hole, None, reason)

    def _settle(self, hole: TrackedExpectation) -> None:
        if hole.over not in ("", "ended") and not hole.connections:
            self._holes.pop(hole.id, None)

    def _forget(self, hole: TrackedExpectation) -> None:
        self._holes.pop(hole.id, None)
        if self._there.get(hole.key) is hole:
            del self._there[hole.key]
        self._unaim(hole)
        for orig in hole.connections:
            self._children.pop((hole.expectation.zone, orig), None)
        hole.over = "forgotten"

    def _unaim(self, hole: TrackedExpectation) -> None:
        aim = _aim(hole.expectation.zone, hole.expectation.tuple)
        same = self._aimed.get(aim)
        if same is not None:
            same.pop(hole.id, None)
            if not same:
                del self._aimed[aim]


def fits(orig: Tuple, expectation: Expectation) -> bool:
    """Is a connection the expected one (nf_ct_tuple_mask_cmp)?"""
    wanted, mask = expectation.tuple, expectation.mask
    return (
        (orig.l4, orig.dst, orig.dport) == (wanted.l4, wanted.dst, wanted.dport)
        and len(orig.src) == len(wanted.src)
        and _masked(orig.src, mask.src) == _masked(wanted.src, mask.src)
        and orig.sport & mask.sport == wanted.sport & mask.sport
    )


def _masked(address: bytes, mask: bytes) -> int:
    return int.from_bytes(address, "big") & int.from_bytes(mask, "big")


def _aim(zone: int, value: Tuple) -> tuple[int, int, bytes, int]:
    return zone, value.l4, value.dst, value.dport
