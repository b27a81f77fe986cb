"""Events of the kernel and words of the workers, in whatever order they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.engine.expectation_key import ExpectationId, key_of
from fwhelpers.events.attribution import FORGET, HOLD, Attribution, WorkerReport
from fwhelpers.events.tracker import Event, TrackedExpectation
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
MASTER = Tuple(CLIENT, SERVER, 6, 40000, 21)
EPSV, PASV = WorkerReport("EPSV", 3), WorkerReport("PASV", 3)


def expectation(port: int, helper: str = "fw-ftp", master: Tuple = MASTER) -> Expectation:
    wanted = Tuple(CLIENT, SERVER, 6, 0, port)
    return Expectation(master, wanted, mask_for(wanted), timeout=60, helper=helper)


def hole(port: int = 2000, name: str = "a", helper: str = "fw-ftp") -> TrackedExpectation:
    return TrackedExpectation(name, expectation(port, helper), 0.0, 60.0)


def made(port: int = 2000, master: Tuple = MASTER) -> ExpectationId:
    return ExpectationId(key_of(expectation(port)), master)


def attribution(limit: int = 100) -> Attribution:
    new = Attribution(limit)
    new.ours = {"fw-ftp"}
    return new


def kinds(events: object) -> list[str]:
    return [event.kind for event in events]  # type: ignore[attr-defined]


def test_the_kernel_first() -> None:
    one, where = attribution(), hole()
    assert list(one.take(Event("created", where), 0.0)) == []
    assert list(one.take(Event("matched", where), 0.0)) == []
    assert kinds(one.said(made(), EPSV, 0.1)) == ["created", "matched"]
    assert (where.what, where.interface) == ("EPSV", 3)
    assert kinds(one.take(Event("matched", where), 0.2)) == ["matched"]


def test_the_worker_first() -> None:
    one, where = attribution(), hole()
    assert list(one.said(made(), EPSV, 0.0)) == []
    assert kinds(one.take(Event("created", where), 0.1)) == ["created"]
    assert where.what == "EPSV"
    assert kinds(one.take(Event("matched", where), 0.1)) == ["matched"]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (61, 61),
        (60, 60),
        (30, 60),  # the kernel takes the policy's time for one that goes with a verdict
        (0, 60),
    ],
)
def test_the_kernel_s_time_is_rounded_down(said: int, told: int) -> None:
    for worker_first in (True, False):
        one, where = attribution(), hole()
        words = EPSV._replace(timeout=said)
        if worker_first:
            list(one.said(made(), words, 0.0))
        list(one.take(Event("created", where), 0.0))
        if not worker_first:
            list(one.said(made(), words, 0.0))
        assert where.expectation.timeout == told


def test_a_worker_that_never_speaks() -> None:
    one, where = attribution(), hole()
    assert list(one.take(Event("created", where), 0.0)) == []
    assert list(one.take(Event("withdrawn", where), 0.5)) == []
    assert list(one.passed(HOLD - 0.1)) == []
    assert kinds(one.passed(HOLD)) == ["created", "withdrawn"]
    assert (one._held, one._count) == ({}, 0)


def test_words_that_come_after_the_hold_count_for_what_follows() -> None:
    one, where = attribution(), hole()
    list(one.take(Event("created", where), 0.0))
    assert kinds(one.passed(HOLD)) == ["created"]
    assert list(one.said(made(), EPSV, HOLD + 1)) == []
    assert where.what == "EPSV"


def test_words_of_what_the_kernel_refused_are_forgotten() -> None:
    one, where = attribution(), hole()
    list(one.said(made(), PASV, 0.0))
    list(one.passed(FORGET))
    assert list(one.take(Event("created", where), FORGET)) == []
    assert kinds(one.said(made(), EPSV, FORGET)) == ["created"]
    assert where.what == "EPSV"


def test_others_do_not_wait() -> None:
    one = attribution()
    list(one.take(Event("created", hole(1, "a")), 0.0))
    assert kinds(one.take(Event("created", hole(2, "b", "ftp")), 0.0)) == ["created"]
    assert kinds(one.take(Event("matched", None), 0.0)) == ["matched"]
    assert kinds(one.take(Event("expired", hole(3, "before us")), 0.0)) == ["expired"]


def test_another_master_s_words_are_not_its() -> None:
    one, where = attribution(), hole()
    list(one.take(Event("created", where), 0.0))
    assert list(one.said(made(master=MASTER._replace(sport=1)), PASV, 0.0)) == []
    assert kinds(one.said(made(), EPSV, 0.0)) == ["created"]


def test_equal_ones_get_their_words_in_order() -> None:
    one, first, second = attribution(), hole(name="a"), hole(name="b")
    list(one.take(Event("created", first), 0.0))
    list(one.take(Event("created", second), 0.1))
    list(one.said(made(), PASV, 0.2))
    list(one.said(made(), EPSV, 0.2))
    assert (first.what, second.what) == ("PASV", "EPSV")


def test_many_held_at_once_are_told_each_in_its_order() -> None:
    one = attribution(limit=10_000)
    for port in range(1, 2001):
        where = hole(port, str(port))
        assert list(one.take(Event("created", where), 0.0)) == []
        assert list(one.take(Event("matched", where), 0.0)) == []
    spoken = [event for port in range(2000, 1000, -1) for event in one.said(made(port), EPSV, 0.1)]
    assert kinds(spoken) == ["created", "matched"] * 1000
    late = list(one.passed(HOLD))
    assert kinds(late) == ["created", "matched"] * 1000
    assert [e.tracked.id for e in late if e.tracked][::2] == [str(port) for port in range(1, 1001)]


def test_it_is_bounded_and_the_oldest_wait_no_longer() -> None:
    one = attribution(limit=10)
    told = []
    for port in range(1, 101):
        told += one.take(Event("created", hole(port, str(port))), 0.0)
        list(one.said(made(port + 1000), EPSV, 0.0))
    assert [event.tracked.id for event in told if event.tracked] == [str(n) for n in range(1, 91)]
    assert len(one._held) == len(one._silent._things) == len(one._early._things) == 10
    permanent = hole(7, "permanent")
    told = [*one.take(Event("created", permanent), 0.0)]
    for _ in range(100):
        told += one.take(Event("matched", permanent), 0.0)
    of_it = [event for event in told if event.tracked is permanent]
    assert kinds(of_it) == ["created"] + ["matched"] * 100


FACT = st.tuples(
    st.sampled_from(["created", "matched", "expired", "said", "passed"]), st.integers(1, 3)
)


@given(st.lists(FACT, max_size=60), st.integers(1, 5))
def test_nothing_is_lost_doubled_or_out_of_order(facts: list[tuple[str, int]], limit: int) -> None:
    one, now = attribution(limit), 0.0
    there: dict[int, TrackedExpectation] = {}
    given_in: list[Event] = []
    told: list[Event] = []
    for number, (fact, port) in enumerate(facts):
        now += 0.2
        if fact == "said":
            told += one.said(made(port), EPSV, now)
        elif fact == "passed":
            told += one.passed(now)
        else:
            if fact == "created":
                there[port] = hole(port, f"{port}-{number}")
            if port in there:
                given_in.append(Event(fact, there[port]))
                told += one.take(given_in[-1], now)
    told += one.passed(now + FORGET)
    of = {e.tracked.id for e in given_in if e.tracked}
    for name in of:
        expected = [e for e in given_in if e.tracked and e.tracked.id == name]
        assert [e for e in told if e.tracked and e.tracked.id == name] == expected
    assert len(told) == len(given_in)
    assert (len(one._held), one._count) == (0, 0)
    assert not one._silent._numbers
    assert not one._early._numbers
