"""The tracker of expectations: the events that follow from the kernel's reports, in whatever order they come."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fwhelpers.events import tracker as module
from fwhelpers.events.tracker import GRACE, Event, EventKind, Tracker
from fwhelpers.kernel.conntrack import Conntrack, Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for
from fwhelpers.kernel.raw_events import RawConnection, RawExpectation, connection_bytes

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
MASTER = Tuple(CLIENT, SERVER, 6, 40000, 21)


def expectation(
    port: int = 2000, flags: int = 0, timeout: int = 60, number: int = 1
) -> RawExpectation:
    expected = Tuple(CLIENT, SERVER, 6, 0, port)
    mask = mask_for(expected)
    return RawExpectation.of(
        Expectation(MASTER, expected, mask, 0, flags, timeout, "fw-ftp", id=number)
    )


def connection(
    port: int = 2000, sport: int = 50000, master: Tuple | None = MASTER
) -> RawConnection:
    orig = Tuple(CLIENT, SERVER, 6, sport, port)
    return RawConnection.of(
        Conntrack(orig, Tuple(SERVER, CLIENT, 6, port, sport), 1, master=master)
    )


def kinds(events: object) -> list[str]:
    return [event.kind for event in events]  # type: ignore[attr-defined]


@pytest.fixture
def tracker() -> Tracker:
    return Tracker()


def test_used_once_is_matched(tracker: Tracker) -> None:
    (created,) = tracker.created(expectation(), 0.0)
    assert list(tracker.destroyed(expectation(timeout=58), 1.0)) == []
    (matched,) = tracker.connected(connection())
    assert (created.kind, matched.kind) == ("created", "matched")
    assert matched.tracked is created.tracked
    assert list(tracker.advance(1.0 + GRACE)) == []
    assert [tracked.ended_as for tracked in tracker.expectations()] == ["matched"]
    tracker.disconnected(connection().identity)
    assert tracker.expectations() == []


def test_permanent_is_matched_again_and_again_then_expires(tracker: Tracker) -> None:
    (created,) = tracker.created(expectation(flags=PERMANENT), 0.0)
    for sport in (1, 2, 3):
        assert kinds(tracker.connected(connection(sport=sport))) == ["matched"]
    assert len(tracker.expectations()[0].connections) == 3
    (expired,) = tracker.advance(61.0)
    assert (expired.kind, expired.tracked) == ("expired", created.tracked)
    assert len(tracker.expectations()) == 1  # for its connections
    for sport in (1, 2, 3):
        tracker.disconnected(connection(sport=sport).identity)
    assert tracker.expectations() == []


def test_expiry_is_computed_and_reported_once(tracker: Tracker) -> None:
    list(tracker.created(expectation(timeout=5), 0.0))
    assert kinds(tracker.advance(5.9)) == []
    assert kinds(tracker.advance(6.0)) == ["expired"]
    assert kinds(tracker.destroyed(expectation(timeout=0), 47.0)) == []
    assert kinds(tracker.advance(99.0)) == []


def test_a_renewed_expectation_expires_later(tracker: Tracker) -> None:
    (created,) = tracker.created(expectation(timeout=5), 0.0)
    assert created.tracked is not None
    identity = created.tracked.raw.identity
    other = identity._replace(master=connection_bytes(0, MASTER._replace(sport=1)))
    assert kinds(tracker.renewed(other, 60, 4.0)) == []
    assert kinds(tracker.renewed(identity, 60, 4.0)) == ["renewed"]
    assert created.tracked.expectation.timeout == 60
    assert kinds(tracker.advance(64.9)) == []
    assert kinds(tracker.advance(65.0)) == ["expired"]
    assert kinds(tracker.renewed(identity, 60, 65.0)) == []


def test_an_end_at_the_expiry_time_counts_as_expiry(tracker: Tracker) -> None:
    list(tracker.created(expectation(timeout=4), 0.0))
    assert kinds(tracker.destroyed(expectation(timeout=0), 4.4)) == ["expired"]


@pytest.mark.parametrize(("ended", "reason"), [(True, "master-ended"), (False, "removed")])
def test_a_withdrawal_has_its_reason(tracker: Tracker, ended: bool, reason: str) -> None:
    master = connection_bytes(0, MASTER)
    reply = Tuple(SERVER, CLIENT, 6, 21, 40000)
    tracker.control(master, RawConnection.of(Conntrack(MASTER, reply, 0x2008)))
    assert tracker.reply_of(master) == reply
    list(tracker.created(expectation(), 0.0))
    list(tracker.destroyed(expectation(), 1.0))
    if ended:
        tracker.disconnected(master)
    assert kinds(tracker.advance(1.0 + GRACE - 0.1)) == []
    (withdrawn,) = tracker.advance(1.0 + GRACE)
    assert (withdrawn.kind, withdrawn.reason) == ("withdrawn", reason)


def test_an_equal_expectation_replaces_the_former(tracker: Tracker) -> None:
    (first,) = tracker.created(expectation(number=1), 0.0)
    (second,) = tracker.created(expectation(number=2), 1.0)
    assert first.tracked is not None
    assert second.tracked is not None
    assert first.tracked.id != second.tracked.id
    assert [tracked.id for tracked in tracker.expectations()] == [second.tracked.id]
    (withdrawn,) = tracker.advance(1.0 + GRACE)
    assert (withdrawn.kind, withdrawn.tracked) == ("withdrawn", first.tracked)
    assert len(tracker.expectations()) == 1


def test_resync_reports_the_missed_events(tracker: Tracker) -> None:
    list(tracker.created(expectation(1), 0.0))
    list(tracker.created(expectation(2), 0.0))
    events = list(tracker.resync([expectation(2), expectation(3), expectation(4, timeout=0)], 1.0))
    reported = [(e.kind, e.tracked.expectation.tuple.dport, e.reason) for e in events if e.tracked]
    assert reported == [("withdrawn", 1, "lost"), ("created", 3, None)]


def test_a_match_of_an_expectation_from_before_our_start(tracker: Tracker) -> None:
    assert list(tracker.connected(connection())) == [Event(EventKind.MATCHED, None, connection())]
    assert list(tracker.connected(connection(master=None))) == []


def test_a_connection_of_another_master_is_no_match(tracker: Tracker) -> None:
    list(tracker.created(expectation(), 0.0))
    (event,) = tracker.connected(connection(master=MASTER._replace(sport=1)))
    assert event.tracked is None


def test_connections_are_bounded_also_if_their_ends_are_lost(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CHILDREN", 1000)
    for port in range(2000, 2006):
        list(tracker.created(expectation(port, PERMANENT, 3600, number=port), 0.0))
        for sport in range(1, 1001):
            assert kinds(tracker.connected(connection(port, sport))) == ["matched"]
            (tracked,) = [t for t in tracker.expectations() if t.number == port - 1999]
            assert len(tracked.connections) <= module.MAX_OF_ONE
            assert connection(port, sport).identity in tracked.connections, "the newest stay"
        list(tracker.resync([], 1.0))
    assert len(tracker._children) <= 1000
    assert sum(len(t.connections) for t in tracker.expectations()) == len(tracker._children)
    for port in range(2000, 2006):
        for sport in range(1, 1001):
            tracker.disconnected(connection(port, sport).identity)
    assert not tracker._children
    assert not tracker.expectations()


def test_the_tracker_is_bounded() -> None:
    tracker = Tracker(limit=10)
    for port in range(1, 101):
        list(tracker.created(expectation(port), 0.0))
        list(tracker.connected(connection(port)))
    assert len(tracker.expectations()) == 10
    assert tracker.dropped == 90
    assert sizes(tracker) <= 10 * 5 + 40


def sizes(tracker: Tracker) -> int:
    return sum(
        len(part)
        for part in (
            tracker._tracked, tracker._live, tracker._by_destination, tracker._expiring, tracker._undecided,
            tracker._children,
        )
    )  # fmt: skip


FACT = st.tuples(
    st.sampled_from(["created", "destroyed", "connected", "disconnected", "advance", "resync"]),
    st.integers(1, 4),
    st.booleans(),
)


@example([("created", 2, False), ("connected", 2, False), ("resync", 1, False), ("created", 2, False),
          ("connected", 2, False)])  # fmt: skip
@given(st.lists(FACT, max_size=60))
def test_each_expectation_ends_once_in_any_order_of_events(
    facts: list[tuple[str, int, bool]],
) -> None:
    tracker, now = Tracker(), 0.0
    events: list[Event] = []
    for number, (fact, port, flag) in enumerate(facts, 1):
        now += 1.0 if flag else 0.1
        current = expectation(port, PERMANENT * flag, 5, number)
        if fact == "created":
            events += tracker.created(current, now)
        elif fact == "destroyed":
            events += tracker.destroyed(current, now)
        elif fact == "connected":
            events += tracker.connected(connection(port))
        elif fact == "disconnected":
            tracker.disconnected(connection(port).identity)
        elif fact == "advance":
            events += tracker.advance(now)
        else:
            events += tracker.resync([current], now)
    events += tracker.advance(now + 100)
    for port in range(1, 5):
        tracker.disconnected(connection(port).identity)
    born = [e.tracked.id for e in events if e.kind == "created" and e.tracked]
    dead = [e.tracked.id for e in events if e.kind in ("expired", "withdrawn") and e.tracked]
    used = {e.tracked.id for e in events if e.kind == "matched" and e.tracked}
    assert len(set(born)) == len(born)
    assert len(set(dead)) == len(dead)
    assert set(born) <= set(dead) | used
    assert tracker.expectations() == []
    assert sizes(tracker) == 0
