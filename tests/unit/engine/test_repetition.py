"""Which announcements need no change in the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from connection import Connection as Peer
from connection import FakeMaker

from fwhelpers.api import DatagramParser, Event, Expect, Helper, Policy
from fwhelpers.engine.expectation_key import Connection, ExpectationId, key_of
from fwhelpers.engine.flow_state import FlowState
from fwhelpers.engine.registry import Account, Claim, LiveExpectation
from fwhelpers.engine.repetition import RENEWAL_INTERVAL, YOUNG, is_young
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for

A, B = bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2))
MASTER = Tuple(A, B, 17, 40000, 7)
DESTINATION = Tuple(A, B, 17, 0, 2049)
ACCOUNT = Account("rpc", A)


def state(sport: int, account: Account) -> FlowState:
    """A flow of the client's port that counts on an account."""
    peer = Peer(PAIRS, "udp", f"10.0.1.2:{sport}", "10.0.2.2:7")
    peer.c(b"")
    ((_, flow),) = peer.inspector._flows.all()
    flow.account = account
    return flow


def live(flags: int = PERMANENT, lasting: bool = False) -> LiveExpectation:
    """An expectation from the time 0, that lasts 60 s."""
    expectation = Expectation(MASTER, DESTINATION, mask_for(DESTINATION), flags=flags)
    claim = Claim(Connection(0, MASTER), 0, ACCOUNT, 0.0, 60.0)
    return LiveExpectation(key_of(expectation), expectation, claim, 60.0, lasting=lasting)


@pytest.mark.parametrize(
    ("flow", "current", "confirmed", "lifetime", "now", "young"),
    [
        ((40000, ACCOUNT), live(), True, 60, RENEWAL_INTERVAL / 2, True),
        ((40000, ACCOUNT), live(), True, 60, RENEWAL_INTERVAL, False),
        ((40000, ACCOUNT), live(), True, 120, 0.1, False),  # it lasts longer
        ((40000, ACCOUNT), live(flags=0), True, 60, 0.1, False),  # it may have been used
        ((40000, ACCOUNT), live(flags=0), False, 60, YOUNG / 2, True),  # a new socket's burst
        ((40000, ACCOUNT), live(), False, 60, YOUNG, False),
        ((40001, ACCOUNT), live(), True, 60, 0.1, False),
        (
            (40001, ACCOUNT),
            live(lasting=True),
            True,
            60,
            0.1,
            True,
        ),  # another socket of the client
        ((40001, Account("rpc", B)), live(lasting=True), True, 60, 0.1, False),
    ],
)
def test_is_young(
    flow: tuple[int, Account],
    current: LiveExpectation,
    confirmed: bool,
    lifetime: int,
    now: float,
    young: bool,
) -> None:
    assert is_young(current, state(*flow), confirmed, lifetime, now) is young


LIFETIME = 180


class Pairs(DatagramParser):
    """`port count … for seconds` opens consecutive ports of the sender."""

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        ends = self.flow.client, self.flow.server
        pairs, _, seconds = data.partition(b"for")
        words = [int(word) for word in pairs.split()]
        for port, count in zip(words[::2], words[1::2], strict=True):
            timeout = int(seconds) if seconds else None
            yield Expect(ends[not reply], ends[reply].at(port), count=count, timeout=timeout)


PAIRS = Helper("pairs", "udp", [7], Pairs, [Policy("data", max=9, timeout=LIFETIME)])


@dataclass
class Kernel(FakeMaker):
    reported: list[ExpectationId] = field(default_factory=list)
    loses: bool = False  #: reports

    def end(self, expectation: Expectation) -> None:
        """A connection has come, and the kernel reports it."""
        self.used.append(expectation)
        self.reported.append(ExpectationId(key_of(expectation), expectation.master))

    def ended(self) -> list[ExpectationId] | None:
        reported, self.reported = self.reported, []
        return None if self.loses else reported


def talk(maker: FakeMaker | None = None, seen_client: str = "") -> Peer:
    return Peer(PAIRS, "udp", "10.0.1.2:40000", "10.0.2.2:7", maker=maker, seen_client=seen_client)


@pytest.mark.parametrize("seen_client", ["", "192.0.2.1:40000"])
def test_it_is_not_written_again(seen_client: str) -> None:
    connection = talk(seen_client=seen_client)
    connection.s(b"5000 2 6000 1")
    for _ in range(3):
        connection.now += 10
        connection.s(b"5000 2 6000 1")
    assert len(connection.expected) == 3
    assert [note.kind for note in connection.notes] == ["expected"] * 3


def test_it_is_created_again_if_the_report_of_its_use_is_lost() -> None:
    kernel = Kernel(loses=True)
    connection = talk(kernel)
    connection.s(b"5000 1")
    connection.now += 10
    kernel.end(kernel.created[-1])
    connection.s(b"5000 1")
    assert len(connection.expected) == 2


def test_it_is_renewed_before_its_end() -> None:
    connection = talk()
    connection.s(b"5000 2")
    connection.now += LIFETIME / 4
    connection.s(b"5000 2")
    assert [expectation.tuple.dport for expectation in connection.maker.renewed] == [5000, 5001]


@pytest.mark.parametrize("used", [0, 1])
def test_once_used_it_is_opened_again(used: int) -> None:
    kernel = Kernel()
    connection = talk(kernel)
    connection.s(b"5000 2")
    kernel.end(kernel.created[used])
    connection.s(b"5000 2")
    again, waiting = connection.maker.created[-1], connection.maker.renewed[-1]
    assert again.tuple == kernel.created[used].tuple
    assert waiting.tuple == kernel.created[1 - used].tuple


def test_one_that_ends_sooner_is_renewed() -> None:
    """A phone that rings may have its port open for a short time, and for the call once it is answered."""
    connection = talk()
    connection.s(b"5000 1 for 30")
    connection.s(b"5000 1")
    assert [expectation.timeout for expectation in connection.maker.renewed] == [LIFETIME]


def test_a_part_of_it_is_not_enough() -> None:
    connection = talk()
    connection.s(b"5000 1")
    connection.s(b"5000 2")
    assert connection.expected[-1].endswith(":5001")


def test_another_connection_opens_it_for_itself() -> None:
    first = talk()
    first.s(b"5000 1")
    second = Peer(
        PAIRS, "udp", "10.0.1.2:40001", "10.0.2.2:7", inspector=first.inspector, maker=first.maker
    )
    second.s(b"5000 1")
    assert len(first.expected) == 2


def test_what_a_first_packet_opened_is_opened_again() -> None:
    """Its entry may have been dropped, with all that it had opened, and another one was confirmed."""
    connection = talk()
    connection.extra = {"status": 0x2000}
    assert connection.c(b"5000 1").expectation is not None
    connection.extra = {}
    connection.c(b"5000 1")
    assert len(connection.expected) == 1
    connection.c(b"5000 1")
    assert len(connection.expected) == 1
