"""The inspection of packets, with invented protocols whose messages name the events (invented.py)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from connection import Connection
from hypothesis import given
from hypothesis import strategies as st
from invented import C6, LAST, S6, TALK, C, S, tcp

from fwhelpers.api import DatagramParser, Event, Expect, Helper, ParseError, Policy
from fwhelpers.engine.flow_state import handshake_info
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.headers import ACK, FIN
from fwhelpers.engine.inspector import Active
from fwhelpers.engine.mangle import MAX_PACKET
from fwhelpers.engine.verdict import ACCEPT
from fwhelpers.kernel import labels


def test_either_end_may_announce() -> None:
    flow = tcp()
    assert flow.s(b"OPEN 3000\r\n").accept
    assert flow.c(b"OPEN 4000\r\n").accept
    assert flow.expected == ["10.0.1.2 > 10.0.2.2:3000", "10.0.2.2 > 10.0.1.2:4000"]
    first = flow.maker.created[0]
    assert first.master == flow.orig
    assert first.nat is None
    assert first.fn == ""


def test_announcements_that_are_split_pipelined_or_reordered() -> None:
    flow = tcp()
    flow.c(b"OP")
    flow.c(b"EN 3000\r\nOPEN 30")
    late = flow.packet(b"01\r\n", False)
    flow.seq[0] += 4
    flow.c(b"OPEN 3002\r\n")
    assert len(flow.expected) == 1
    flow.send(late)
    assert flow.expected == [f"10.0.2.2 > 10.0.1.2:{p}" for p in (3000, 3001, 3002)]


@given(st.lists(st.integers(1, 30), max_size=40))
def test_the_result_does_not_depend_on_segmentation(sizes: list[int]) -> None:
    text = b"x\r\nOPEN 3000\r\nOPEN 10.0.1.2 3001\r\nOPEN 9.9.9.9 3002\r\nCANCEL\r\nOPEN 3003\r\n"
    flow = tcp()
    at = 0
    for size in [*sizes, len(text)]:
        if text[at : at + size]:
            flow.c(text[at : at + size])
        at += size
    assert [e.tuple.dport for e in flow.maker.created] == [3000, 3001, 3003]
    assert flow.refused == ["G5"]
    assert sorted(t.dport for t in flow.maker.deleted) == [3000, 3001]


def test_what_a_parser_holds_counts_with_the_flow() -> None:
    flow = tcp()
    flow.c(b"OPEN 30")
    assert flow.inspector._flows.buffered_bytes == 2 * len(b"OPEN 30")
    flow.c(b"BAD")
    flow.c(b"\r\n")
    assert flow.inspector._flows.buffered_bytes == len(b"OPEN 30BAD\r\n")


def test_what_a_parser_of_datagrams_holds_counts_with_the_flow() -> None:
    class Hoarder(DatagramParser):
        buffered = 0  # type: ignore[assignment]

        def datagram(self, data: bytes, reply: bool) -> list[Event]:
            self.buffered += len(data)
            if data == b"BAD":
                raise ParseError("bad")
            return []

    flow = Connection(Helper("hoarder", "udp", [7], Hoarder), "udp", C, S)
    flow.c(b"12345")
    flow.s(b"678")
    assert flow.inspector._flows.buffered_bytes == 8
    flow.c(b"BAD")
    assert flow.inspector._flows.buffered_bytes == 0, "a finished flow needs none"


def test_a_stream_joined_midway_is_not_parsed() -> None:
    flow = tcp()
    flow.payloads = [0, 1]  # the kernel saw a payload before, we did not
    assert flow.s(b"OPEN 3000\r\n").done
    flow.s(b"OPEN 3001\r\n")
    assert flow.expected == []


def test_a_handshake_begins_the_stream() -> None:
    # steering "helper": no labels, but all packets come, SYN included
    flow = tcp()
    flow.extra = {"status": 0x2000}
    flow.send(flow.packet(b"", False, seq=999, flags=2))
    flow.extra = {}
    flow.payloads = [5, 5]
    flow.c(b"OPEN 3000\r\n")
    assert flow.expected == ["10.0.2.2 > 10.0.1.2:3000"]


def test_a_contradicting_retransmission_ends_the_flow_and_its_expectations() -> None:
    flow = tcp()
    flow.c(b"OPEN 3000\r\n")
    verdict = flow.send(flow.packet(b"OPEN 3999\r\n", False, seq=1000))
    assert verdict.accept
    assert verdict.done
    assert [t.dport for t in flow.maker.deleted] == [3000]
    flow.c(b"OPEN 3001\r\n")
    assert len(flow.expected) == 1


@pytest.mark.parametrize("word", [b"BAD\r\n", b"BUG\r\n", b"x" * 5000])
def test_after_an_error_packets_pass_and_nothing_is_opened(word: bytes) -> None:
    flow = tcp()
    flow.c(b"OPEN 3000\r\n")
    assert flow.c(word).accept
    assert [t.dport for t in flow.maker.deleted] == [3000]
    flow.c(b"OPEN 3001\r\n")
    assert len(flow.expected) == 1
    assert flow.notes[-1].kind in ("poisoned", "failed")


def test_payload_of_a_reset_and_urgent_data_are_not_parsed() -> None:
    for flags in (0x1C, 0x38):
        flow = tcp()
        flow.send(flow.packet(b"OPEN 3000\r\n", False, flags=flags))
        assert flow.expected == []


def test_drop_done_and_used() -> None:
    flow = tcp()
    assert not flow.c(b"DROP\r\n").accept
    flow.c(b"OPEN 3000\r\n")
    flow.c(b"SPENT\r\n")
    assert flow.maker.deleted == []
    assert flow.c(b"DONE\r\n").done
    assert flow.c(b"OPEN 3001\r\n") is ACCEPT


def test_state_survives_the_worker() -> None:
    old = tcp()
    old.c(b"one\r\n")
    old.s(b"two\r\n")
    new = tcp()
    new.info, new.seq, new.payloads = old.info, old.seq, old.payloads
    new.c(b"OPEN 3000\r\n")
    assert new.expected == ["10.0.2.2 > 10.0.1.2:3000"]
    ((_, state),) = new.inspector._flows.all()
    assert state.parser.count == 3  # type: ignore[attr-defined]


def test_state_within_a_line_is_not_stored() -> None:
    old = tcp()
    old.c(b"one\r\nOP")
    new = tcp()
    new.info, new.seq, new.payloads = old.info, old.seq, old.payloads
    new.c(b"EN 3000\r\n")
    new.c(b"OPEN 3001\r\n")
    assert new.expected == []


def test_an_expected_connection_stores_no_private_data() -> None:
    flow = tcp()
    flow.extra = {"status": 8 | 0x2000 | 1}
    assert flow.c(b"one\r\n").info is None


def test_a_flow_of_another_helper_leaves_the_queue() -> None:
    flow = tcp()
    packet = flow.packet(b"OPEN 3000\r\n", False)
    packet.helper = "ftp"
    assert flow.send(packet).done
    assert flow.expected == []


def test_a_udp_master_lives_as_long_as_its_expectations() -> None:
    flow = Connection(TALK, "udp", C, S)
    flow.extra = {"timeout": 30}
    assert flow.s(b"3000").timeout in (60, 61)
    flow.extra = {"timeout": 70}
    assert flow.s(b"3000").timeout is None


def test_an_equal_permanent_expectation_is_not_renewed_at_once() -> None:
    flow = Connection(TALK, "udp", C, S)
    flow.s(b"3000")
    flow.s(b"3000")
    assert len(flow.expected) == 1
    flow.now += 40
    flow.s(b"3000")
    assert len(flow.expected) == 1
    assert [expectation.tuple.dport for expectation in flow.maker.renewed] == [3000]
    assert [report.kind for report in flow.notes] == ["expected", "renewed"]


def test_expectations_of_a_first_packet_are_attached_one_by_one() -> None:
    flow = Connection(TALK, "udp", C, S)
    flow.extra = {"status": 0x2000}
    packet = flow.packet(b"3000 3001", False)
    first = flow.send(packet)
    assert first.repeat
    assert first.expectation
    assert first.expectation.tuple.dport == 3000
    second = flow.send(packet)
    assert not second.repeat
    assert second.expectation
    assert second.expectation.tuple.dport == 3001


def test_a_new_udp_connection_may_have_the_id_of_an_ended_one() -> None:
    flow = Connection(TALK, "udp", C, S)
    flow.extra = {"status": 0x2000}  # not confirmed
    for _ in range(2):
        expectation = flow.send(flow.packet(b"3000", False)).expectation
        assert expectation
        assert expectation.tuple.dport == 3000
    assert len(flow.inspector) == 1


def test_a_new_tcp_connection_may_have_the_id_of_an_ended_one() -> None:
    flow = tcp()
    flow.c(b"OPEN 3000\r\nhalf a line")
    flow.payloads = [0, 0]
    flow.seq = [77000, 88000]
    flow.info = handshake_info(77000)
    flow.c(b"OPEN 3001\r\n")
    assert [e.tuple.dport for e in flow.maker.created] == [3000, 3001]
    assert not [note for note in flow.notes if note.kind == "poisoned"]


def test_the_oldest_expectation_of_a_class_gives_way() -> None:
    flow = tcp()
    for port in range(3000, 3010):
        flow.c(b"OPEN %d\r\n" % port)
    assert [live.key.expected.dport for live in flow.inspector._registry] == [3008, 3009]


def test_the_flow_table_is_bounded() -> None:
    flow = tcp()
    flow.inspector._flows._max_flows = 10
    for n in range(100):
        packet = flow.packet(b"x\r\n", False)
        packet.ct_id = n
        flow.inspector.packet(packet.decode(), 0)
    assert len(flow.inspector) == 10


def test_a_flow_that_was_given_up_and_evicted_is_not_parsed_at_its_end() -> None:
    """The end of a connection is queued also if its flow is finished, and the entry still has its last boundary."""
    flow = tcp()
    flow.c(b"OPEN 3000\r\n")
    assert flow.send(flow.packet(b"BAD\r\n", False)).done
    (key,) = (key for key, _ in flow.inspector._flows.all())
    flow.inspector._flows.remove(key)
    end = flow.packet(b"OPEN 3001\r\n", False, flags=FIN | ACK)
    end.labels = labels.union(end.labels, labels.bits(labels.DONE, labels.OUTLIVED))
    assert flow.send(end).accept
    assert [e.tuple.dport for e in flow.maker.created] == [3000]


def test_flows_of_a_disabled_helper_leave_the_queue() -> None:
    flow = tcp()
    flow.c(b"OPEN 3000\r\n")
    flow.inspector.configure({})
    assert [t.dport for t in flow.maker.deleted] == [3000]
    assert flow.c(b"OPEN 3001\r\n").done


def test_reload_keeps_the_parsers_of_flows() -> None:
    flow = tcp()
    flow.c(b"OPEN 30")
    flow.inspector.configure({"talk": Active(TALK)})
    flow.c(b"00\r\n")
    assert flow.expected == ["10.0.2.2 > 10.0.1.2:3000"]


@given(
    st.lists(st.tuples(st.binary(max_size=60), st.booleans(), st.integers(-90, 90)), max_size=30)
)
def test_nothing_ever_raises(packets: list[tuple[bytes, bool, int]]) -> None:
    flow = tcp(seen_client="192.0.2.1:50000")
    for data, reply, shift in packets:
        flow.send(flow.packet(data, reply, seq=(flow.seq[reply] + shift) % 2**32))
    assert all(n.kind != "failed" for n in flow.notes)


@pytest.mark.parametrize("word", [b"BAD", b"BUG", b"OVER", b"CANCEL"])
def test_a_cancelled_expectation_is_not_attached(word: bytes) -> None:
    """In particular not to another flow's packet, which would become its master."""
    flow = Connection(LAST, "udp", C, S)
    flow.extra = {"status": 0x2000}  # the first packet, which conntrack has not confirmed
    assert flow.c(b"3000 3001 " + word).expectation is None
    other = Connection(LAST, "udp", "10.0.1.3:40000", S, inspector=flow.inspector)
    assert other.c(b"CANCEL").expectation is None


def test_done_takes_effect_after_the_last_expectation() -> None:
    flow = Connection(LAST, "udp", C, S)
    flow.extra = {"status": 0x2000}
    packet = flow.packet(b"3000 3001 DONE", False)
    first, second = flow.send(packet), flow.send(packet)
    assert [v.expectation and v.expectation.tuple.dport for v in (first, second)] == [3000, 3001]
    # a flow that is done does not come to the queue again, not even with a packet that is to be repeated
    assert [(v.repeat, v.done) for v in (first, second)] == [(True, False), (False, True)]
    flow.extra = {}
    assert flow.c(b"3002 DONE") == ACCEPT


def test_a_dropped_packet_is_not_repeated() -> None:
    flow = Connection(LAST, "udp", C, S)
    flow.extra = {"status": 0x2000}
    dropped = flow.c(b"3000 3001 DROP")
    assert (dropped.accept, dropped.repeat) == (False, False)
    flow.extra = {}
    assert flow.c(b"CANCEL").expectation is None


def batch(flow: Connection, *parts: tuple[bytes, bool]) -> list[bytes | None]:
    """Send payloads whose packets are answered together; return the private data of each verdict."""
    packets = []
    for data, reply in parts:
        packets.append(flow.packet(data, reply))
        flow.seq[reply] += len(data) if flow.l4 == "tcp" else 0
    verdicts = flow.inspector.packets([packet.decode() for packet in packets], flow.now)
    return [verdict.info for verdict in verdicts]


class Counter(DatagramParser):
    """Its state is the number of datagrams."""

    count = 0

    def datagram(self, data: bytes, reply: bool) -> tuple[Event, ...]:
        self.count += 1
        return ()

    def save(self) -> bytes:
        return bytes((self.count,))


COUNTER = Helper("counter", "udp", [7], Counter)


@pytest.mark.parametrize(("helper", "l4"), [(TALK, "tcp"), (COUNTER, "udp")])
def test_state_is_stored_with_the_last_of_the_packets_that_are_answered_together(
    helper: Helper, l4: str
) -> None:
    one_by_one, together = Connection(helper, l4, C, S), Connection(helper, l4, C, S)
    for _ in range(3):
        one_by_one.c(b"one\r\n")
    assert batch(together, *[(b"one\r\n", False)] * 3) == [None, None, one_by_one.info]
    assert any(one_by_one.info)


def test_a_half_line_does_not_hide_the_lines_before_it() -> None:
    flow, other = tcp(), tcp()
    assert batch(flow, (b"one\r\n", False), (b"OPEN", False))[0] is None
    (info,) = batch(flow, (b" 30", False))
    assert info is None
    for data in (b"one\r\n", b"OPEN"):
        other.c(data)
    other.c(b" 30")
    ((_, state),) = flow.inspector._flows.all()
    assert state.stored == other.info


def test_unchanged_state_is_not_stored_again() -> None:
    flow = Connection(TALK, "udp", C, S)
    flow.c(b"x")
    assert batch(flow, (b"x", False), (b"x", True)) == [None, None]


def test_the_lifetime_of_a_master_goes_with_its_last_packet() -> None:
    flow = Connection(TALK, "udp", C, S)
    flow.extra = {"timeout": 30, "status": 0x2008}
    packets = [flow.packet(data, True).decode() for data in [b"3000"] * 3]
    verdicts = flow.inspector.packets(packets, flow.now)
    assert [verdict.timeout is None for verdict in verdicts] == [True, True, False]


def test_each_flow_of_a_batch_stores_its_state() -> None:
    first = tcp()
    second = Connection(TALK, "tcp", "10.0.1.3:40000", S, inspector=first.inspector)
    packets = [f.packet(b"one\r\n", False).decode() for f in (first, second)]
    verdicts = first.inspector.packets(packets, 100.0)
    assert all(verdict.info for verdict in verdicts)


@pytest.mark.parametrize("room", range(8))
def test_a_datagram_that_cannot_be_rewritten_passes_and_ends_its_flow(room: int) -> None:
    """The announced address grows by three bytes. `room`: what the longest packet leaves for that."""

    class Named(DatagramParser):
        def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
            host = self.flow.client.host.encode()
            start = data.index(host)
            yield Expect(
                self.flow.server,
                self.flow.client.at(3000),
                span=(start, start + len(host)),
                encode=lambda end: end.host.encode(),
            )

    helper = Helper("named", "udp", [7], Named)
    flow = Connection(helper, "udp", C, S, seen_client="198.51.100.1:40000")
    size = MAX_PACKET - 28 - room
    verdict = flow.c(b"10.0.1.2".ljust(size, b"x"))
    assert verdict.accept
    if room < 4:
        assert verdict.payload is None
        assert [note.kind for note in flow.notes] == ["expected", "poisoned"]
        assert len(flow.maker.deleted) == len(flow.maker.created)
    else:
        assert verdict.payload is not None
        assert len(verdict.payload) == MAX_PACKET - room + 4


class Recalls(DatagramParser):
    """The client stores a word, or opens the port that another connection stored under it."""

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        word, _, port = data.partition(b"=")
        if port:
            self.memory[word] = port
        elif word in self.memory:
            yield Expect(self.flow.server, self.flow.client.at(int(self.memory[word])))


@pytest.mark.parametrize("address", [C, C6])
def test_equal_addresses_in_two_zones_are_two_hosts(address: str) -> None:
    """Neither takes up the other's quota, nor finds what the other's connections left in memory."""
    helper = Helper("recalls", "udp", [7], Recalls, [Policy("data", max=255)])
    zones: list[Connection] = []
    for zone in (1, 2):
        inspector = zones[0].inspector if zones else None
        active = Active(helper, limits=Limits(max_per_source=4))
        server = S6 if address == C6 else S
        flow = Connection(helper, "udp", address, server, active=active, inspector=inspector)
        flow.extra = {"zone": zone, "ct_id": zone}
        zones.append(flow)
    first, second = zones
    created = first.maker.created
    for number in range(6):
        first.c(b"%d=%d" % (number, 3000 + number))
        first.c(b"%d" % number)
        second.c(b"%d" % number)
    assert [e.zone for e in created] == [1] * 4
    for number in range(6):
        second.c(b"%d=%d" % (number, 4000 + number))
        second.c(b"%d" % number)
    assert [(e.zone, e.tuple.dport) for e in created[4:]] == [(2, 4000 + n) for n in range(4)]
