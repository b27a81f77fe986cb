"""Events of the kernel and reports of the workers, joined in whatever order they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.events.attribution import FORGET, HOLD, Announcement, Attribution
from fwhelpers.events.tracker import Event, EventKind, TrackedExpectation
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.kernel.raw_events import ExpectationBytes, RawExpectation, expectation_bytes

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
MASTER = Tuple(CLIENT, SERVER, 6, 40000, 21)
EPSV, PASV = Announcement("EPSV", 3), Announcement("PASV", 3)


def expectation(port: int, helper: str = "fw-ftp", master: Tuple = MASTER) -> Expectation:
    destination = Tuple(CLIENT, SERVER, 6, 0, port)
    return Expectation(master, destination, mask_for(destination), timeout=60, helper=helper)


def expected(port: int = 2000, number: int = 1, helper: str = "fw-ftp") -> TrackedExpectation:
    return TrackedExpectation(number, RawExpectation.of(expectation(port, helper)), 0.0, 60.0)


def identity(port: int = 2000, master: Tuple = MASTER) -> ExpectationBytes:
    return expectation_bytes(expectation(port, master=master))


def new_attribution(limit: int = 100) -> Attribution:
    new = Attribution(limit)
    new.ours = {"fw-ftp"}
    return new


def kinds(events: object) -> list[str]:
    return [event.kind for event in events]  # type: ignore[attr-defined]


def test_the_kernel_s_event_comes_first() -> None:
    attribution, tracked = new_attribution(), expected()
    assert list(attribution.add_event(Event(EventKind.CREATED, tracked), 0.0)) == []
    assert list(attribution.add_event(Event(EventKind.MATCHED, tracked), 0.0)) == []
    assert kinds(attribution.add_report(identity(), EPSV, 0.1)) == ["created", "matched"]
    assert (tracked.trigger, tracked.interface) == ("EPSV", 3)
    assert kinds(attribution.add_event(Event(EventKind.MATCHED, tracked), 0.2)) == ["matched"]


def test_the_worker_s_report_comes_first() -> None:
    attribution, tracked = new_attribution(), expected()
    assert list(attribution.add_report(identity(), EPSV, 0.0)) == []
    assert kinds(attribution.add_event(Event(EventKind.CREATED, tracked), 0.1)) == ["created"]
    assert tracked.trigger == "EPSV"
    assert kinds(attribution.add_event(Event(EventKind.MATCHED, tracked), 0.1)) == ["matched"]


@pytest.mark.parametrize(
    ("reported", "timeout"),
    [
        (61, 61),
        (60, 60),
        (30, 60),  # the kernel takes the policy's time for one that goes with a verdict
        (0, 60),
    ],
)
def test_the_kernel_s_rounded_timeout_is_corrected(reported: int, timeout: int) -> None:
    for worker_first in (True, False):
        attribution, tracked = new_attribution(), expected()
        announcement = EPSV._replace(timeout=reported)
        if worker_first:
            list(attribution.add_report(identity(), announcement, 0.0))
        list(attribution.add_event(Event(EventKind.CREATED, tracked), 0.0))
        if not worker_first:
            list(attribution.add_report(identity(), announcement, 0.0))
        assert tracked.expectation.timeout == timeout


def test_without_a_report_events_are_held_for_a_while() -> None:
    attribution, tracked = new_attribution(), expected()
    assert list(attribution.add_event(Event(EventKind.CREATED, tracked), 0.0)) == []
    assert list(attribution.add_event(Event(EventKind.WITHDRAWN, tracked), 0.5)) == []
    assert list(attribution.advance(HOLD - 0.1)) == []
    assert kinds(attribution.advance(HOLD)) == ["created", "withdrawn"]
    assert (attribution._held, attribution._held_events) == ({}, 0)


def test_a_report_after_the_hold_applies_to_later_events() -> None:
    attribution, tracked = new_attribution(), expected()
    list(attribution.add_event(Event(EventKind.CREATED, tracked), 0.0))
    assert kinds(attribution.advance(HOLD)) == ["created"]
    assert list(attribution.add_report(identity(), EPSV, HOLD + 1)) == []
    assert tracked.trigger == "EPSV"


def test_reports_without_an_expectation_are_forgotten() -> None:
    attribution, tracked = new_attribution(), expected()
    list(attribution.add_report(identity(), PASV, 0.0))
    list(attribution.advance(FORGET))
    assert list(attribution.add_event(Event(EventKind.CREATED, tracked), FORGET)) == []
    assert kinds(attribution.add_report(identity(), EPSV, FORGET)) == ["created"]
    assert tracked.trigger == "EPSV"


def test_events_of_others_are_not_held() -> None:
    attribution = new_attribution()
    list(attribution.add_event(Event(EventKind.CREATED, expected(1, 1)), 0.0))
    assert kinds(attribution.add_event(Event(EventKind.CREATED, expected(2, 2, "ftp")), 0.0)) == [
        "created"
    ]
    assert kinds(attribution.add_event(Event(EventKind.MATCHED, None), 0.0)) == ["matched"]
    assert kinds(attribution.add_event(Event(EventKind.EXPIRED, expected(3, 3)), 0.0)) == [
        "expired"
    ]


def test_a_report_of_another_master_does_not_match() -> None:
    attribution, tracked = new_attribution(), expected()
    list(attribution.add_event(Event(EventKind.CREATED, tracked), 0.0))
    assert list(attribution.add_report(identity(master=MASTER._replace(sport=1)), PASV, 0.0)) == []
    assert kinds(attribution.add_report(identity(), EPSV, 0.0)) == ["created"]


def test_equal_expectations_get_their_reports_in_order() -> None:
    attribution, first, second = new_attribution(), expected(number=1), expected(number=2)
    list(attribution.add_event(Event(EventKind.CREATED, first), 0.0))
    list(attribution.add_event(Event(EventKind.CREATED, second), 0.1))
    list(attribution.add_report(identity(), PASV, 0.2))
    list(attribution.add_report(identity(), EPSV, 0.2))
    assert (first.trigger, second.trigger) == ("PASV", "EPSV")


def test_many_held_events_keep_their_order() -> None:
    attribution = new_attribution(limit=10_000)
    for port in range(1, 2001):
        tracked = expected(port, port)
        assert list(attribution.add_event(Event(EventKind.CREATED, tracked), 0.0)) == []
        assert list(attribution.add_event(Event(EventKind.MATCHED, tracked), 0.0)) == []
    reported = [
        event
        for port in range(2000, 1000, -1)
        for event in attribution.add_report(identity(port), EPSV, 0.1)
    ]
    assert kinds(reported) == ["created", "matched"] * 1000
    late = list(attribution.advance(HOLD))
    assert kinds(late) == ["created", "matched"] * 1000
    assert [e.tracked.number for e in late if e.tracked][::2] == [*range(1, 1001)]


def test_the_oldest_are_released_above_the_bound() -> None:
    attribution = new_attribution(limit=10)
    released = []
    for port in range(1, 101):
        released += attribution.add_event(Event(EventKind.CREATED, expected(port, port)), 0.0)
        list(attribution.add_report(identity(port + 1000), EPSV, 0.0))
    assert [event.tracked.number for event in released if event.tracked] == [*range(1, 91)]
    assert (
        len(attribution._held)
        == len(attribution._unreported._order)
        == len(attribution._early._order)
        == 10
    )
    permanent = expected(7, 1000)
    released = [*attribution.add_event(Event(EventKind.CREATED, permanent), 0.0)]
    for _ in range(100):
        released += attribution.add_event(Event(EventKind.MATCHED, permanent), 0.0)
    of_it = [event for event in released if event.tracked is permanent]
    assert kinds(of_it) == ["created"] + ["matched"] * 100


FACT = st.tuples(
    st.sampled_from(["created", "matched", "expired", "report", "advance"]), st.integers(1, 3)
)


@given(st.lists(FACT, max_size=60), st.integers(1, 5))
def test_no_event_is_lost_doubled_or_out_of_order(facts: list[tuple[str, int]], limit: int) -> None:
    attribution, now = new_attribution(limit), 0.0
    live: dict[int, TrackedExpectation] = {}
    added: list[Event] = []
    released: list[Event] = []
    for number, (fact, port) in enumerate(facts):
        now += 0.2
        if fact == "report":
            released += attribution.add_report(identity(port), EPSV, now)
        elif fact == "advance":
            released += attribution.advance(now)
        else:
            if fact == "created":
                live[port] = expected(port, number)
            if port in live:
                added.append(Event(EventKind(fact), live[port]))
                released += attribution.add_event(added[-1], now)
    released += attribution.advance(now + FORGET)
    of = {e.tracked.number for e in added if e.tracked}
    for name in of:
        in_order = [e for e in added if e.tracked and e.tracked.number == name]
        assert [e for e in released if e.tracked and e.tracked.number == name] == in_order
    assert len(released) == len(added)
    assert (len(attribution._held), attribution._held_events) == (0, 0)
    assert not attribution._unreported._values
    assert not attribution._early._values
