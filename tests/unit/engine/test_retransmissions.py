"""Datagrams that come again: what is remembered of them, and that they open and rewrite nothing anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from connection import Connection, FakeMaker, payload_of

from fwhelpers.api import Cancel, DatagramParser, Event, Expect, Helper, Policy, Refuse
from fwhelpers.engine import flow_table
from fwhelpers.engine import retransmissions as module
from fwhelpers.engine.inspector import Active
from fwhelpers.engine.retransmissions import LONGEST, Handled, Retransmissions, identify

HEADERS = 28  #: bytes of IPv4 and UDP


class Ports(DatagramParser):
    """Each word is a port of the sender, "no" is refused, "end" closes all. Counts what it has parsed."""

    retransmits = True
    parsed = 0

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        Ports.parsed += 1
        ends = self.flow.client, self.flow.server
        place = 0
        for word in data.split(b" "):
            span = place, place + len(word)
            place += len(word) + 1
            if word == b"no":
                yield Refuse("G5", "no")
                continue
            if word == b"end":
                yield Cancel()
                continue
            yield Expect(
                ends[not reply],
                ends[reply].at(int(word)),
                span=span,
                encode=lambda end: b"%d" % end.port,
            )


PORTS = Helper("ports", "udp", [7], Ports, [Policy("data", max=9, timeout=180)])


@pytest.fixture(autouse=True)
def count() -> None:
    Ports.parsed = 0


def flow(**options: object) -> Connection:
    return Connection(PORTS, "udp", "10.0.1.2:40000", "10.0.2.2:7", **options)  # type: ignore[arg-type]


def test_the_oldest_are_forgotten_above_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 3 * module.ITEM_BYTES + 10)
    memory = Retransmissions()
    for number in range(3):
        memory.add(b"%d" % number, Handled(0.0, None))
    assert memory.held == 3 * module.ITEM_BYTES
    memory.add(b"3", Handled(0.0, bytes(20)))
    assert memory.held <= module.MAX_BYTES
    assert [name for name in (b"0", b"1", b"2", b"3") if memory.find(name, 1.0)] == [b"2", b"3"]
    memory.add(b"3", Handled(1.0, None))  # in its own place
    assert memory.held == 2 * module.ITEM_BYTES
    memory.clear()
    assert (memory.held, memory.find(b"3", 1.0)) == (0, None)


def test_the_directions_differ() -> None:
    assert identify(b"5000", False) != identify(b"5000", True)


def test_a_retransmission_is_not_parsed_and_opens_nothing() -> None:
    connection = flow()
    for _ in range(3):
        assert connection.c(b"5000").payload is None
    assert (len(connection.expected), Ports.parsed) == (1, 1)
    connection.s(b"5000")
    assert (len(connection.expected), Ports.parsed) == (2, 2)


def test_it_is_rewritten_as_before() -> None:
    taken = FakeMaker(errors=lambda e: 17 * (e.tuple.dport == 5000))
    connection = flow(seen_client="192.0.2.1:40000", maker=taken)
    first = connection.c(b"5000")
    assert payload_of(first, HEADERS) == b"5001"
    taken.errors = lambda _: 0  # the port is free now: another rewriting would lead elsewhere
    assert connection.c(b"5000").payload == first.payload
    assert len(connection.expected) == 1


def test_after_half_a_minute_it_is_a_message_like_others() -> None:
    connection = flow()
    connection.c(b"5000")
    connection.now += LONGEST - 1
    connection.c(b"5000")
    assert Ports.parsed == 1
    connection.now += 1
    connection.c(b"5000")
    assert Ports.parsed == 2


def test_once_closed_the_same_bytes_open_it_again() -> None:
    """A program may give its next call the identifiers of the last one."""
    connection = flow()
    connection.c(b"5000")
    connection.c(b"5000")
    connection.s(b"end")
    connection.c(b"5000")
    connection.c(b"5000")
    assert (len(connection.expected), Ports.parsed) == (2, 3)


def test_what_was_refused_is_judged_again() -> None:
    connection = flow()
    connection.c(b"no")
    connection.c(b"no")
    assert (connection.refused, Ports.parsed) == (["G5", "G5"], 2)
    connection.c(b"80")  # a well-known port
    connection.c(b"80")
    assert (connection.refused, Ports.parsed) == (["G5", "G5", "G6", "G6"], 4)


def test_a_connection_that_is_not_confirmed_remembers_nothing() -> None:
    connection = flow()
    connection.extra = {"status": 0x2000}
    for _ in range(2):
        assert connection.c(b"5000").expectation is not None
    connection.extra = {}
    connection.c(b"5000")
    assert Ports.parsed == 3


def test_a_new_configuration_judges_anew() -> None:
    connection = flow()
    connection.c(b"5000")
    connection.inspector.configure({"ports": Active(PORTS)})
    connection.c(b"5000")
    assert Ports.parsed == 2


def test_their_memory_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow_table, "MAX_BUFFERED", 4 * module.ITEM_BYTES)
    connection = flow()
    connection.c(b"5000")
    assert len(connection.inspector) == 1
    connection.c(b"5002")
    assert len(connection.inspector) == 0, "the flow is evicted"


def test_other_parsers_see_each_datagram(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ports, "retransmits", False)
    connection = flow()
    connection.c(b"5000")
    connection.c(b"5000")
    assert Ports.parsed == 2
