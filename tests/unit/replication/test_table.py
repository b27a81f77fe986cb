"""The other gateway's expectations, beside a model: a plain dictionary."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from replicated import live

from fwhelpers.kernel import expect
from fwhelpers.kernel.raw_events import ExpectationBytes
from fwhelpers.replication.records import Live
from fwhelpers.replication.table import Table

PORTS = st.integers(5000, 5007)
LIMIT = 5


def ports(records: list[Live]) -> list[int]:
    return sorted(expect.parse_expectation(record.payload).tuple.dport for record in records)


class TableModel(RuleBasedStateMachine):
    """One sender that numbers its expectations, as the feed does, and may be cut off at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.table = Table(LIMIT)
        self.model: dict[ExpectationBytes, float] = {}  # ends, the oldest first
        self.numbers: dict[ExpectationBytes, int] = {}
        self.count = 0
        self.repeated: set[ExpectationBytes] | None = None

    @rule(port=PORTS, remaining=st.integers(1, 50))
    def add(self, port: int, remaining: int) -> None:
        identity = live(port=port).identity
        if identity not in self.numbers:
            self.count += 1
            self.numbers[identity] = self.count
        self.table.add(live(self.numbers[identity], port, remaining), self.now)
        self.model.pop(identity, None)
        if len(self.model) == LIMIT:
            del self.model[next(iter(self.model))]
        self.model[identity] = self.now + remaining
        if self.repeated is not None:
            self.repeated.add(identity)

    @rule(port=PORTS)
    def end(self, port: int) -> None:
        identity = live(port=port).identity
        number = self.numbers.pop(identity, None)
        if number is not None:
            self.table.end(number)
            self.model.pop(identity, None)

    @rule()
    def end_of_nothing(self) -> None:
        self.table.end(1 << 40)

    @rule()
    def begin(self) -> None:
        self.table.begin()
        self.numbers.clear()
        self.repeated = set()

    @precondition(lambda self: self.repeated is not None)
    @rule()
    def complete(self) -> None:
        self.table.complete()
        self.model = {i: end for i, end in self.model.items() if i in (self.repeated or ())}
        self.repeated = None

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @invariant()
    def equal(self) -> None:
        self.model = {i: end for i, end in self.model.items() if end > self.now}
        records = self.table.records(self.now)
        assert {r.identity: self.now + r.remaining for r in records} == self.model
        assert len(self.table) == len(self.model)


TestTable = TableModel.TestCase
TestTable.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_number_that_an_expectation_had_before_ends_nothing() -> None:
    table = Table()
    table.add(live(1, 5000), 0.0)
    table.add(live(2, 5000), 0.0)
    table.end(1)
    assert ports(table.records(1.0)) == [5000]
    table.end(2)
    assert table.records(1.0) == []


def test_they_stay_when_the_other_gateway_is_gone() -> None:
    table = Table()
    table.begin()
    table.add(live(), 0.0)
    table.complete()
    assert ports(table.records(59.0)) == [5000]
    assert table.records(60.0) == []


def test_what_is_not_repeated_is_removed_at_the_end_only() -> None:
    """The connection may break while all are sent again."""
    table = Table()
    table.begin()
    for port in (5000, 5001):
        table.add(live(port, port), 0.0)
    table.complete()
    table.begin()
    table.add(live(1, 5001), 0.0)
    assert ports(table.records(1.0)) == [5000, 5001]
    table.complete()
    assert ports(table.records(1.0)) == [5001]


def test_numbers_of_a_former_connection_end_nothing() -> None:
    table = Table()
    table.begin()
    table.add(live(1, 5000), 0.0)
    table.begin()
    table.add(live(2, 5000), 0.0)
    table.end(1)
    assert ports(table.records(1.0)) == [5000]


def test_a_sender_that_gives_one_number_to_all_ends_the_last_of_them() -> None:
    table = Table()
    for port in (5000, 5001):
        table.add(live(1, port), 0.0)
    table.add(live(2, 5000), 0.0)
    table.end(1)
    assert ports(table.records(1.0)) == [5000]


def test_a_second_take_over_knows_what_the_first_one_had() -> None:
    """It may have been used since, and the gateway that is passive now has it still."""
    table = Table()
    table.add(live(), 0.0)
    assert [r.taken for r in table.records(1.0)] == [False]
    table.mark(table.records(1.0))
    assert [r.taken for r in table.records(1.0)] == [True]
    table.begin()  # the connection was lost, and is back
    table.add(live(), 2.0)
    table.complete()
    assert [r.taken for r in table.records(3.0)] == [True]
    table.add(live(), 4.0)  # announced again by the other gateway
    assert [r.taken for r in table.records(5.0)] == [False]
