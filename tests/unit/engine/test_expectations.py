"""What becomes of an announcement where addresses are translated, clash, or can not be rewritten."""

from __future__ import annotations

import gc
import weakref
from errno import EBUSY, EEXIST, EMFILE

import pytest
from connection import Connection, FakeMaker, payload_of, show
from invented import C6, S6, tcp
from kernel_table import KernelTable

from fwhelpers.api import Cancel, DatagramParser, Event, Expect, Helper, LineParser, Policy
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.engine.onlink import NO_LINKS
from fwhelpers.engine.verdict import Report, Verdict
from fwhelpers.kernel.expect import Expectation


def test_snat_passive_follows_master() -> None:
    flow = tcp(seen_client="192.0.2.1:50000")
    verdict = flow.s(b"OPEN 10.0.2.2 3000\r\n")
    assert verdict.payload is None
    expectation = flow.maker.created[0]
    assert show(expectation.tuple) == "10.0.1.2 > 10.0.2.2:3000"
    assert expectation.nat
    assert (expectation.nat.src, expectation.nat.sport, expectation.nat_dir) == (
        flow.server.addr,
        3000,
        0,
    )
    assert expectation.fn == "nat-follow-master"


def test_snat_active_is_rewritten() -> None:
    flow = tcp(seen_client="192.0.2.1:50000")
    verdict = flow.c(b"OPEN 10.0.1.2 3000\r\n")
    assert payload_of(verdict) == b"OPEN 192.0.2.1 3000\r\n"
    expectation = flow.maker.created[0]
    assert show(expectation.tuple) == "10.0.2.2 > 192.0.2.1:3000"
    assert expectation.nat
    assert (expectation.nat.src, expectation.nat.sport, expectation.nat_dir) == (
        flow.client.addr,
        3000,
        1,
    )


def test_dnat_passive_is_rewritten_to_what_the_client_knows() -> None:
    flow = tcp(seen_server="198.51.100.9:7")
    verdict = flow.s(b"OPEN 10.0.2.2 3000\r\n")
    assert payload_of(verdict) == b"OPEN 198.51.100.9 3000\r\n"
    assert show(flow.maker.created[0].tuple) == "10.0.1.2 > 198.51.100.9:3000"


def test_both_nats_active() -> None:
    flow = tcp(seen_client="192.0.2.1:50000", seen_server="198.51.100.9:7")
    assert payload_of(flow.c(b"OPEN 10.0.1.2 3000\r\n")) == b"OPEN 192.0.2.1 3000\r\n"
    assert show(flow.maker.created[0].tuple) == "10.0.2.2 > 192.0.2.1:3000"


def test_port_clash_takes_the_next_port() -> None:
    def clash(expectation: Expectation) -> int:
        return (
            EEXIST if expectation.tuple.dport == 3000 else EBUSY * (expectation.tuple.dport == 3001)
        )

    flow = tcp(seen_client="192.0.2.1:50000", maker=FakeMaker(errors=clash))
    assert payload_of(flow.c(b"OPEN 3000\r\n")) == b"OPEN 3002\r\n"
    expectation = flow.maker.created[0]
    assert expectation.nat
    assert (expectation.tuple.dport, expectation.nat.sport) == (3002, 3000)


def test_without_nat_an_equal_one_is_taken_over_and_an_overlapping_one_refused() -> None:
    flow = tcp(maker=FakeMaker(errors=lambda _: EEXIST))
    flow.s(b"OPEN 3000\r\n")
    assert flow.expected == ["10.0.1.2 > 10.0.2.2:3000"]
    flow = tcp(maker=FakeMaker(errors=lambda _: EBUSY))
    flow.s(b"OPEN 3000\r\n")
    assert flow.refused == ["G15"]


def test_kernel_table_full_is_told() -> None:
    flow = tcp(maker=FakeMaker(errors=lambda _: EMFILE))
    assert flow.s(b"OPEN 3000\r\n").accept
    assert "EMFILE" in flow.notes[-1].reason


def test_retransmission_of_a_rewritten_segment_is_rewritten_again() -> None:
    flow = tcp(seen_client="192.0.2.1:50000")
    once, twice = (flow.send(flow.packet(b"OPEN 10.0.1.2 3000\r\n", False)) for _ in range(2))
    assert once.payload == twice.payload is not None
    assert len(flow.maker.created) == 1


def test_a_retransmission_that_cuts_the_rewritten_text_carries_all_of_it() -> None:
    flow = tcp(seen_client="192.0.2.1:50000")
    flow.c(b"OPEN 10.0.1.2 3000\r\n")
    for part in (b"OPEN 10.0", b"OPEN"):
        again = flow.send(flow.packet(part, False, seq=1000))
        assert payload_of(again) == b"OPEN 192.0.2.1 3000"


def test_announcement_in_two_segments_can_not_be_rewritten() -> None:
    flow = tcp(seen_client="192.0.2.1:50000")
    flow.c(b"OPEN 10.0.")
    assert flow.c(b"1.2 3000\r\n").payload is None
    assert flow.refused == ["G15"]
    assert flow.expected == []


def test_ipv6_length_must_stay() -> None:
    flow = tcp(C6, S6, seen_client="[2001:db8::77]:50000")
    assert flow.c(b"OPEN fd01::2 3000\r\n").payload is None
    assert flow.refused == ["G15"]
    same = tcp(C6, S6, seen_client="[fd09::2]:50000")
    assert payload_of(same.c(b"OPEN fd01::2 3000\r\n"), 60) == b"OPEN fd09::2 3000\r\n"


# several connections announce the same expectation, or one that another client has had before

SERVER = "10.0.2.2:21"


class Client(LineParser):
    """`KEEP port seconds` and `ONCE port` announce a port of the client, `CANCEL` withdraws."""

    def line(self, line: bytes, reply: bool) -> list[Event]:
        word, *numbers = line.split()
        own, peer = (
            (self.flow.server, self.flow.client) if reply else (self.flow.client, self.flow.server)
        )
        if word == b"CANCEL":
            return [Cancel()]
        port = int(numbers[0])
        keep = word == b"KEEP"
        timeout = int(numbers[1]) if keep else None
        return [Expect(peer, own.at(port), permanent=keep, timeout=timeout, keep_after_master=keep)]


class Search(DatagramParser):
    """Each datagram asks for answers to its own socket, which are inspected."""

    def datagram(self, data: bytes, reply: bool) -> list[Event]:
        own = self.flow.client
        return [Expect(self.flow.server, own, permanent=True, child=True)]


class Answer(DatagramParser):
    """Names a port of the answering host."""

    def datagram(self, data: bytes, reply: bool) -> list[Event]:
        return [Expect(self.flow.server, self.flow.client.at(int(data)), "tcp", permanent=True)]


ANSWER = Helper(
    "answer", "udp", [21], Answer, [Policy("device", max=255, timeout=3600)], outgoing=True
)
HELPER = Helper(
    "test", "tcp", [21], Client, [Policy("data", max=64, timeout=3600)], client_announces=True
)
SEARCH = Helper("search", "udp", [1900], Search, [Policy("answer", max=8)])


class Gateway:
    """One worker and its kernel."""

    def __init__(self, helper: Helper = HELPER) -> None:
        self.kernel = KernelTable()
        self.reports: list[Report] = []
        self.helper = helper
        self.inspector = Inspector(
            {helper.kernel_name: Active(helper)}, self.kernel.table, self.reports.append, links=NO_LINKS
        )  # fmt: skip
        self.now = 100.0

    def connect(self, client: str, **nat: str) -> Connection:
        connection = Connection(
            self.helper, self.helper.l4s[0], client, SERVER, inspector=self.inspector, **nat
        )
        connection.now = self.now
        return connection

    def send(self, connection: Connection, *lines: str) -> Verdict:
        connection.now = self.now
        for line in lines:
            verdict = connection.c(f"{line}\r\n".encode())
        return verdict

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.inspector.tick(self.now)

    @property
    def refusals(self) -> list[str]:
        return [report.reason for report in self.reports if report.kind == "refused"]


def test_a_used_port_of_one_client_may_be_anothers_by_now() -> None:
    """A5: two clients behind one address; the first one's next command must not close the second one's port."""
    gateway = Gateway()
    first = gateway.connect("10.0.1.2:40000", seen_client="192.0.2.1:50000")
    second = gateway.connect("10.0.1.3:40000", seen_client="192.0.2.1:50001")
    gateway.send(first, "ONCE 5000")
    gateway.kernel.use(5000)
    gateway.send(second, "ONCE 5000")
    assert gateway.kernel.ports == [5000]
    gateway.send(first, "CANCEL")
    assert gateway.kernel.ports == [5000]


@pytest.mark.parametrize("renewals", [1, 5])
def test_a_renewed_expectation_outlives_the_first_claim(renewals: int) -> None:
    """B1."""
    gateway = Gateway()
    gateway.send(gateway.connect("10.0.1.2:40000"), "KEEP 5000 1000")
    for port in range(renewals):
        gateway.advance(900)
        gateway.send(gateway.connect(f"10.0.1.2:{40001 + port}"), "KEEP 5000 1000")
        gateway.advance(101)
        assert gateway.kernel.ports == [5000]
    gateway.advance(901)
    assert gateway.kernel.ports == []


def test_many_connections_renew_one_expectation() -> None:
    """B2: 40 connections, one expectation, no refusal."""
    gateway = Gateway()
    for port in range(40000, 40040):
        gateway.send(gateway.connect(f"10.0.1.2:{port}"), "KEEP 5000 1000")
        gateway.advance(1)
    assert gateway.refusals == []
    assert gateway.kernel.ports == [5000]


def test_the_end_of_a_short_claim_leaves_the_longer_one() -> None:
    gateway = Gateway()
    gateway.send(gateway.connect("10.0.1.2:40000"), "KEEP 5000 1800")
    second = gateway.connect("10.0.1.2:40001")
    gateway.send(second, "KEEP 5000 30")
    gateway.advance(31)
    assert gateway.kernel.ports == [5000]
    gateway.advance(1770)
    assert gateway.kernel.ports == []


def test_a_cancel_leaves_the_claim_of_another_connection() -> None:
    gateway = Gateway()
    first, second = gateway.connect("10.0.1.2:40000"), gateway.connect("10.0.1.2:40001")
    gateway.send(first, "KEEP 5000 1800")
    gateway.send(second, "KEEP 5000 30", "CANCEL")
    assert gateway.kernel.ports == [5000]
    gateway.send(second, "CANCEL")
    assert gateway.kernel.ports == [5000]


def test_a_former_owners_cancel_leaves_the_owners_expectation() -> None:
    gateway = Gateway()
    first, second = gateway.connect("10.0.1.2:40000"), gateway.connect("10.0.1.2:40001")
    gateway.send(first, "KEEP 5000 1800")
    gateway.send(second, "KEEP 5000 300")
    gateway.send(first, "CANCEL")
    assert gateway.kernel.ports == [5000]
    gateway.advance(301)
    assert gateway.kernel.ports == []


@pytest.mark.parametrize("searches", [2, 3, 8])
def test_searches_of_a_new_socket_without_pause(searches: int) -> None:
    """B3: each is a connection of its own until the first is confirmed; only that one stays in the kernel."""
    gateway = Gateway(SEARCH)
    socket = gateway.connect("10.0.1.2:40000")
    packets = []
    for number in range(searches):
        socket.extra = {"status": 0x2000, "ct_id": 100 + number}
        packets.append(socket.packet(b"M-SEARCH", False))
    for number, packet in enumerate(packets):
        expectation = socket.send(packet).expectation
        if number == 0:
            gateway.kernel.attach(expectation)
        else:
            assert expectation is None, "it would end with an entry that loses the clash"
    assert gateway.kernel.ports == [40000]


def test_a_later_search_of_the_same_socket_is_expected_again() -> None:
    gateway = Gateway(SEARCH)
    socket = gateway.connect("10.0.1.2:40000")
    socket.extra = {"status": 0x2000}
    gateway.kernel.attach(socket.send(socket.packet(b"M-SEARCH", False)).expectation)
    socket.extra = {}
    socket.now += 40
    assert socket.send(socket.packet(b"M-SEARCH", False)).expectation


def test_used_expectations_do_not_count() -> None:
    """The kernel reports no use to the worker: it is asked when the quota is used up."""
    gateway = Gateway()
    connection = gateway.connect("10.0.1.2:40000")
    for port in range(5000, 5032):
        gateway.send(connection, f"ONCE {port}")
        gateway.advance(0.05)
    gateway.advance(1)
    gateway.send(connection, "ONCE 6000")
    assert gateway.refusals == ["32 expectations of this client are alive"]
    gateway.kernel.use(5007)
    gateway.advance(2)
    gateway.send(connection, "ONCE 6001", "ONCE 6002")
    assert 6001 in gateway.kernel.ports
    assert 6002 not in gateway.kernel.ports


def test_a_client_at_its_quota_causes_few_questions() -> None:
    gateway = Gateway()
    connection = gateway.connect("10.0.1.2:40000")
    for port in range(5000, 5032):
        gateway.send(connection, f"ONCE {port}")
    gateway.advance(2)
    before = len(gateway.kernel.requests)
    for port in range(6000, 6100):
        gateway.send(connection, f"ONCE {port}")
    assert len(gateway.kernel.requests) - before == 32


def test_subscriptions_that_come_and_go_leave_nothing_behind() -> None:
    """C1."""
    gateway = Gateway()
    flows = []
    for port in range(2000):
        connection = gateway.connect(f"10.0.1.2:{20000 + port}")
        gateway.send(connection, "KEEP 5000 1800", "CANCEL")
        ((key, state),) = gateway.inspector._flows.all()
        flows.append(weakref.ref(state.parser))
        gateway.inspector._flows.remove(key)
        del state
        gateway.now += 0.02
    gc.collect()
    assert sum(flow() is not None for flow in flows) == 0
    assert len(gateway.inspector._registry._ends) <= 66


def test_one_device_does_not_use_up_the_askers_quota() -> None:
    """B4: of the answers to a search, those of one host open a part of what the asker may have."""
    gateway = Gateway(ANSWER)
    hostile = gateway.connect("10.0.1.9:1900")
    hostile.extra = {"status": 8 | 0x2000 | 1}  # expected
    for port in range(5000, 5031):
        gateway.send(hostile, str(port))
        gateway.now += 0.1
    assert len(gateway.kernel.ports) == 8
    honest = gateway.connect("10.0.1.10:1900")
    honest.extra = hostile.extra
    gateway.send(honest, "6000")
    assert 6000 in gateway.kernel.ports


def test_an_ipv6_network_does_not_take_everybodys_place() -> None:
    """C8."""
    gateway = Gateway()
    for host in range(2, 42):
        connection = gateway.connect(f"[2001:db8:1::{host:x}]:40000")
        connection.server = connection.server.parse("2001:db8:2::2", 21)
        connection.orig = connection.orig._replace(dst=connection.server.addr)
        connection.reply = connection.reply._replace(src=connection.server.addr)
        for port in range(5000, 5032):
            gateway.send(connection, f"ONCE {port}")
            gateway.now += 0.01
    assert len(gateway.kernel.ports) == 256
    gateway.send(gateway.connect("10.0.1.2:40000"), "ONCE 5000")
    assert len(gateway.kernel.ports) == 257
