"""The tracker of expectations: what follows from what the kernel tells, in whatever order it does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fwhelpers.events.tracker import GRACE, Event, Tracker, fits
from fwhelpers.kernel.conntrack import Conntrack, Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
MASTER = Tuple(CLIENT, SERVER, 6, 40000, 21)


def expectation(
    port: int = 2000, flags: int = 0, timeout: int = 60, number: int = 1
) -> Expectation:
    expected = Tuple(CLIENT, SERVER, 6, 0, port)
    return Expectation(MASTER, expected, mask_for(expected), 0, flags, timeout, "fw-ftp", id=number)


def connection(port: int = 2000, sport: int = 50000, master: Tuple | None = MASTER) -> Conntrack:
    orig = Tuple(CLIENT, SERVER, 6, sport, port)
    return Conntrack(orig, Tuple(SERVER, CLIENT, 6, port, sport), 1, master=master)


def kinds(events: object) -> list[str]:
    return [event.kind for event in events]  # type: ignore[attr-defined]


@pytest.fixture
def tracker() -> Tracker:
    return Tracker()


def test_used_once_is_matched(tracker: Tracker) -> None:
    (made,) = tracker.created(expectation(), 0.0)
    assert list(tracker.destroyed(expectation(timeout=58), 1.0)) == []
    (matched,) = tracker.connected(connection())
    assert (made.kind, matched.kind) == ("created", "matched")
    assert matched.tracked is made.tracked
    assert list(tracker.passed(1.0 + GRACE)) == []
    assert [hole.over for hole in tracker.holes()] == ["matched"]
    tracker.disconnected(0, connection().orig)
    assert tracker.holes() == []


def test_permanent_is_matched_again_and_again_then_expires(tracker: Tracker) -> None:
    (made,) = tracker.created(expectation(flags=PERMANENT), 0.0)
    for sport in (1, 2, 3):
        assert kinds(tracker.connected(connection(sport=sport))) == ["matched"]
    assert len(tracker.holes()[0].connections) == 3
    (expired,) = tracker.passed(61.0)
    assert (expired.kind, expired.tracked) == ("expired", made.tracked)
    assert len(tracker.holes()) == 1  # for its connections
    for sport in (1, 2, 3):
        tracker.disconnected(0, connection(sport=sport).orig)
    assert tracker.holes() == []


def test_expiry_is_reckoned_and_told_once(tracker: Tracker) -> None:
    list(tracker.created(expectation(timeout=5), 0.0))
    assert kinds(tracker.passed(5.9)) == []
    assert kinds(tracker.passed(6.0)) == ["expired"]
    assert kinds(tracker.destroyed(expectation(timeout=0), 47.0)) == []
    assert kinds(tracker.passed(99.0)) == []


def test_a_kernel_that_ends_it_in_time_is_told_as_expiry_too(tracker: Tracker) -> None:
    list(tracker.created(expectation(timeout=4), 0.0))
    assert kinds(tracker.destroyed(expectation(timeout=0), 4.4)) == ["expired"]


@pytest.mark.parametrize(("ended", "reason"), [(True, "master-ended"), (False, "removed")])
def test_withdrawn_with_the_reason(tracker: Tracker, ended: bool, reason: str) -> None:
    tracker.control(0, MASTER, None)
    tracker.control(0, MASTER, Tuple(SERVER, CLIENT, 6, 21, 40000))
    list(tracker.created(expectation(), 0.0))
    list(tracker.destroyed(expectation(), 1.0))
    if ended:
        tracker.disconnected(0, MASTER)
    assert kinds(tracker.passed(1.0 + GRACE - 0.1)) == []
    (gone,) = tracker.passed(1.0 + GRACE)
    assert (gone.kind, gone.reason) == ("withdrawn", reason)


def test_an_equal_one_in_its_place(tracker: Tracker) -> None:
    (first,) = tracker.created(expectation(number=1), 0.0)
    (second,) = tracker.created(expectation(number=2), 1.0)
    assert first.tracked is not None
    assert second.tracked is not None
    assert first.tracked.id != second.tracked.id
    assert [hole.id for hole in tracker.holes()] == [second.tracked.id]
    (gone,) = tracker.passed(1.0 + GRACE)
    assert (gone.kind, gone.tracked) == ("withdrawn", first.tracked)
    assert len(tracker.holes()) == 1


def test_resync_tells_what_was_missed(tracker: Tracker) -> None:
    list(tracker.created(expectation(1), 0.0))
    list(tracker.created(expectation(2), 0.0))
    events = list(tracker.resync([expectation(2), expectation(3), expectation(4, timeout=0)], 1.0))
    told = [(e.kind, e.tracked.expectation.tuple.dport, e.reason) for e in events if e.tracked]
    assert told == [("withdrawn", 1, "lost"), ("created", 3, "")]


def test_a_connection_of_one_that_was_there_before_us(tracker: Tracker) -> None:
    assert list(tracker.connected(connection())) == [Event("matched", None, connection())]
    assert list(tracker.connected(connection(master=None))) == []


def test_another_master_s_connection_is_not_its(tracker: Tracker) -> None:
    list(tracker.created(expectation(), 0.0))
    (event,) = tracker.connected(connection(master=MASTER._replace(sport=1)))
    assert event.tracked is None


def test_it_is_bounded() -> None:
    tracker = Tracker(limit=10)
    for port in range(1, 101):
        list(tracker.created(expectation(port), 0.0))
        list(tracker.connected(connection(port)))
    assert len(tracker.holes()) == 10
    assert tracker.dropped == 90
    assert sizes(tracker) <= 10 * 5 + 40


def sizes(tracker: Tracker) -> int:
    return sum(
        len(part)
        for part in (
            tracker._holes, tracker._there, tracker._aimed, tracker._expiring, tracker._ended,
            tracker._children,
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("orig", "true"),
    [
        (Tuple(CLIENT, SERVER, 6, 7, 2000), True),
        (Tuple(CLIENT, SERVER, 17, 7, 2000), False),
        (Tuple(SERVER, SERVER, 6, 7, 2000), False),
        (Tuple(CLIENT, SERVER, 6, 7, 2001), False),
        (Tuple(bytes(16), bytes(16), 6, 7, 2000), False),
    ],
)
def test_fits(orig: Tuple, true: bool) -> None:
    assert fits(orig, expectation()) == true
    anybody = replace(expectation(), mask=mask_for(expectation().tuple, prefix=0))
    assert fits(orig, anybody) == (true or orig.src == SERVER)


FACT = st.tuples(
    st.sampled_from(["created", "destroyed", "connected", "disconnected", "passed", "resync"]),
    st.integers(1, 4),
    st.booleans(),
)


@example([("created", 2, False), ("connected", 2, False), ("resync", 1, False), ("created", 2, False),
          ("connected", 2, False)])  # fmt: skip
@given(st.lists(FACT, max_size=60))
def test_each_creation_ends_once_whatever_comes(facts: list[tuple[str, int, bool]]) -> None:
    tracker, now = Tracker(), 0.0
    events: list[Event] = []
    for number, (fact, port, flag) in enumerate(facts, 1):
        now += 1.0 if flag else 0.1
        made = expectation(port, PERMANENT * flag, 5, number)
        if fact == "created":
            events += tracker.created(made, now)
        elif fact == "destroyed":
            events += tracker.destroyed(made, now)
        elif fact == "connected":
            events += tracker.connected(connection(port))
        elif fact == "disconnected":
            tracker.disconnected(0, connection(port).orig)
        elif fact == "passed":
            events += tracker.passed(now)
        else:
            events += tracker.resync([made], now)
    events += tracker.passed(now + 100)
    for port in range(1, 5):
        tracker.disconnected(0, connection(port).orig)
    born = [e.tracked.id for e in events if e.kind == "created" and e.tracked]
    dead = [e.tracked.id for e in events if e.kind in ("expired", "withdrawn") and e.tracked]
    used = {e.tracked.id for e in events if e.kind == "matched" and e.tracked}
    assert len(set(born)) == len(born)
    assert len(set(dead)) == len(dead)
    assert set(born) <= set(dead) | used
    assert tracker.holes() == []
    assert sizes(tracker) == 0
