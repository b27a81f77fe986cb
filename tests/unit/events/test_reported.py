from __future__ import annotations

import pytest

from fwhelpers.engine import handover
from fwhelpers.engine.expectation_key import key_of
from fwhelpers.engine.registry import Account, LiveExpectation
from fwhelpers.events.reported import GRACE, ReportedExpectations
from fwhelpers.events.tracker import Tracker
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, USERSPACE, Expectation, mask_for
from fwhelpers.kernel.raw_events import (
    ExpectationBytes,
    RawExpectation,
    connection_bytes,
    expectation_bytes,
)

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
MASTER = Tuple(CLIENT, SERVER, 6, 40000, 49152)
ACCOUNT = Account("gena", CLIENT)


def expectation(port: int = 49200, number: int = 1) -> Expectation:
    """As the kernel shows it: with the policy's lifetime, which is longer than the reported one."""
    expected = Tuple(SERVER, CLIENT, 6, 0, port)
    flags = PERMANENT | USERSPACE
    return Expectation(MASTER, expected, mask_for(expected), 1, flags, 7199, "gena", id=number)


def raw(port: int = 49200, number: int = 1) -> RawExpectation:
    return RawExpectation.of(expectation(port, number))


def identity(port: int = 49200) -> ExpectationBytes:
    return expectation_bytes(expectation(port))


@pytest.fixture
def tracker() -> Tracker:
    return Tracker()


@pytest.fixture
def reported(tracker: Tracker) -> ReportedExpectations:
    return ReportedExpectations(tracker)


def create(tracker: Tracker, now: float, port: int = 49200, number: int = 1) -> None:
    assert list(tracker.created(raw(port, number), now))


def test_an_expectation_that_no_worker_ends_is_overdue(
    tracker: Tracker, reported: ReportedExpectations
) -> None:
    create(tracker, 0.0)
    reported.add(identity(), 1000, ACCOUNT, 30, 0.1)
    assert list(reported.overdue(30.2 + GRACE - 0.2)) == []
    (tracked,) = reported.overdue(30.2 + GRACE)
    assert tracked.raw.identity == identity()
    assert list(reported.overdue(99.0)) == []
    assert len(reported) == 0


def test_the_report_may_come_before_the_kernels_event(
    tracker: Tracker, reported: ReportedExpectations
) -> None:
    reported.add(identity(), 1000, ACCOUNT, 30, 0.0)
    create(tracker, 0.9)
    assert len(list(reported.overdue(40.0))) == 1


def test_one_that_its_worker_ended_is_not_overdue(
    tracker: Tracker, reported: ReportedExpectations
) -> None:
    create(tracker, 0.0)
    reported.add(identity(), 1000, ACCOUNT, 30, 0.0)
    list(tracker.destroyed(raw(), 30.0))
    assert list(reported.overdue(40.0)) == []


def test_a_renewed_one_is_not_overdue(tracker: Tracker, reported: ReportedExpectations) -> None:
    create(tracker, 0.0)
    reported.add(identity(), 1000, ACCOUNT, 30, 0.0)
    reported.add(identity(), 1000, ACCOUNT, 1800, 20.0)
    assert list(reported.overdue(40.0)) == []
    assert len(list(reported.overdue(1823.0))) == 1


def test_a_renewal_whose_report_was_suppressed_is_not_ended(
    tracker: Tracker, reported: ReportedExpectations
) -> None:
    create(tracker, 0.0)
    reported.add(identity(), 1000, ACCOUNT, 30, 0.0)
    create(tracker, 20.0, number=2)
    assert list(reported.overdue(40.0)) == []


def test_one_of_another_master_is_not_overdue(
    tracker: Tracker, reported: ReportedExpectations
) -> None:
    create(tracker, 0.0)
    other = identity()._replace(master=connection_bytes(0, MASTER._replace(sport=40001)))
    reported.add(other, 1000, ACCOUNT, 30, 0.0)
    assert list(reported.overdue(40.0)) == []


def test_the_successor_gets_the_expectations_of_its_predecessor(
    tracker: Tracker, reported: ReportedExpectations
) -> None:
    for port, queue, timeout in ((49200, 1000, 30), (49201, 1001, 30), (49202, 1000, 5)):
        create(tracker, 0.0, port)
        reported.add(identity(port), queue, ACCOUNT, timeout, 0.0)
    reported.add(identity(49203), 1000, ACCOUNT, 30, 0.0)  # not in the kernel
    (live,) = handover.decode(handover.encode([], expectations=reported.of_worker(1000, now=10.0)))
    assert isinstance(live, LiveExpectation)
    assert live.key == key_of(expectation(49200))
    assert (live.claim.account, live.claim.until) == (ACCOUNT, 30.0)
    assert live.ends_early


def test_memory_is_bounded(tracker: Tracker) -> None:
    reported = ReportedExpectations(tracker, limit=100)
    for number in range(10_000):
        master = connection_bytes(0, MASTER._replace(sport=number % 65536))
        reported.add(identity()._replace(master=master), 1000, ACCOUNT, 7200, float(number))
    assert len(reported) == 100
    assert len(reported._ends) <= 265


def test_a_hostile_number_of_renewals_takes_no_memory(
    tracker: Tracker, reported: ReportedExpectations
) -> None:
    for number in range(10_000):
        reported.add(identity(), 1000, ACCOUNT, 7200, float(number))
    assert len(reported) == 1
    assert len(reported._ends) <= 67
