from __future__ import annotations

import re
from collections.abc import Iterator
from errno import EBUSY, EEXIST, EMFILE

import pytest
from connection import Connection, FakeMaker, payload_of, show
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import (
    Cancel,
    DatagramParser,
    Done,
    Drop,
    Endpoint,
    Event,
    Expect,
    Helper,
    LineParser,
    ParseError,
    Policy,
    Spent,
)
from fwhelpers.engine.inspect import Active
from fwhelpers.engine.verdict import ACCEPT
from fwhelpers.kernel.expect import Expectation

HOSTPORT = re.compile(rb"(?:([0-9a-f.:]+) )?(\d+)\r?\n")


class Talk(LineParser):
    """`OPEN [host] port` opens towards whoever says it; the other words do what their names say."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.count = 0

    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        word, _, rest = line.partition(b" ")
        self.count += 1
        me, other = (
            (self.flow.server, self.flow.client) if reply else (self.flow.client, self.flow.server)
        )
        if word == b"OPEN" and (found := HOSTPORT.fullmatch(rest)):
            at = (
                Endpoint.parse(found[1].decode(), int(found[2]))
                if found[1]
                else me.at(int(found[2]))
            )
            start = len(word) + 1 + found.start(1 if found[1] else 2)
            with_host = bool(found[1])

            def encode(end: Endpoint) -> bytes:
                port = b"%d" % end.port
                return end.host.encode() + b" " + port if with_host else port

            yield Expect(other, at, span=(start, len(word) + 1 + found.end(2)), encode=encode)
        elif word == b"KEEP":
            yield Expect(other, me.at(int(rest)), permanent=True)
        elif word.strip() in (b"CANCEL", b"SPENT", b"DROP", b"DONE"):
            yield {b"CANCEL": Cancel(), b"SPENT": Spent(), b"DROP": Drop("asked"), b"DONE": Done()}[
                word.strip()
            ]
        elif word == b"BAD\r\n":
            raise ParseError("bad word")
        elif word == b"BUG\r\n":
            raise KeyError("bug")

    def save(self) -> bytes:
        return bytes([self.count])

    def restore(self, state: bytes) -> None:
        (self.count,) = state


class Gram(DatagramParser):
    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        for port in data.split():
            me, other = (
                (self.flow.server, self.flow.client)
                if reply
                else (self.flow.client, self.flow.server)
            )
            yield Expect(other, me.at(int(port)), permanent=True)


class Last(DatagramParser):
    """A datagram that opens ports, and then does what its last word says."""

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        *ports, word = data.split()
        for port in ports:
            yield Expect(self.flow.server, self.flow.client.at(int(port)))
        if word == b"BAD":
            raise ParseError("bad word")
        if word in (b"BUG", b"OVER"):
            yield from [Done()] * (word == b"OVER")
            raise KeyError("bug")
        yield {b"CANCEL": Cancel(), b"DONE": Done(), b"DROP": Drop("asked")}[word]


LAST = Helper("last", "udp", [7], Last, [Policy("data", max=9)])
TALK = Helper("talk", ("tcp", "udp"), [7], {"tcp": Talk, "udp": Gram}, [Policy("data", max=2)])
C, S = "10.0.1.2:40000", "10.0.2.2:7"
C6, S6 = "[fd01::2]:40000", "[fd02::2]:7"


def tcp(client: str = C, server: str = S, **given: object) -> Connection:
    return Connection(TALK, "tcp", client, server, **given)  # type: ignore[arg-type]


def test_passive_and_active() -> None:
    flow = tcp()
    assert flow.s(b"OPEN 3000\r\n").accept
    assert flow.c(b"OPEN 4000\r\n").accept
    assert flow.expected == ["10.0.1.2 > 10.0.2.2:3000", "10.0.2.2 > 10.0.1.2:4000"]
    first = flow.maker.made[0]
    assert first.master == flow.orig
    assert first.nat is None
    assert first.fn == ""


def test_split_pipelined_and_reordered() -> None:
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
def test_segmentation_does_not_matter(sizes: list[int]) -> None:
    text = b"x\r\nOPEN 3000\r\nOPEN 10.0.1.2 3001\r\nOPEN 9.9.9.9 3002\r\nCANCEL\r\nOPEN 3003\r\n"
    flow = tcp()
    at = 0
    for size in [*sizes, len(text)]:
        if text[at : at + size]:
            flow.c(text[at : at + size])
        at += size
    assert [e.tuple.dport for e in flow.maker.made] == [3000, 3001, 3003]
    assert flow.refused == ["G5"]
    assert sorted(t.dport for t in flow.maker.deleted) == [3000, 3001]


def test_midstream_is_never_parsed() -> None:
    flow = tcp()
    flow.payloads = [1, 0]  # the kernel saw a payload before, we did not
    assert flow.c(b"OPEN 3000\r\n").done
    flow.c(b"OPEN 3001\r\n")
    assert flow.expected == []


def test_handshake_seen_begins_the_stream() -> None:
    # steering "helper": no labels, but all packets come, SYN included
    flow = tcp()
    flow.extra = {"status": 0x2000}
    flow.send(flow.packet(b"", False, seq=999, flags=2))
    flow.extra = {}
    flow.payloads = [5, 5]
    flow.c(b"OPEN 3000\r\n")
    assert flow.expected == ["10.0.2.2 > 10.0.1.2:3000"]


def test_conflicting_retransmission_poisons_and_cancels() -> None:
    flow = tcp()
    flow.c(b"OPEN 3000\r\n")
    verdict = flow.send(flow.packet(b"OPEN 3999\r\n", False, seq=1000))
    assert verdict.accept
    assert verdict.done
    assert [t.dport for t in flow.maker.deleted] == [3000]
    flow.c(b"OPEN 3001\r\n")
    assert len(flow.expected) == 1


@pytest.mark.parametrize("word", [b"BAD\r\n", b"BUG\r\n", b"x" * 5000])
def test_what_goes_wrong_passes_and_opens_nothing_more(word: bytes) -> None:
    flow = tcp()
    flow.c(b"OPEN 3000\r\n")
    assert flow.c(word).accept
    assert [t.dport for t in flow.maker.deleted] == [3000]
    flow.c(b"OPEN 3001\r\n")
    assert len(flow.expected) == 1
    assert flow.notes[-1].kind in ("poisoned", "failed")


def test_fin_and_rst_payload_and_urgent_data() -> None:
    for flags in (0x19, 0x1C, 0x38):
        flow = tcp()
        flow.send(flow.packet(b"OPEN 3000\r\n", False, flags=flags))
        assert flow.expected == []


def test_drop_done_spent() -> None:
    flow = tcp()
    assert not flow.c(b"DROP\r\n").accept
    flow.c(b"OPEN 3000\r\n")
    flow.c(b"SPENT\r\n")
    assert flow.maker.deleted == []
    assert flow.c(b"DONE\r\n").done
    assert flow.c(b"OPEN 3001\r\n") is ACCEPT


def test_snat_passive_follows_master() -> None:
    flow = tcp(seen_client="192.0.2.1:50000")
    verdict = flow.s(b"OPEN 10.0.2.2 3000\r\n")
    assert verdict.payload is None
    made = flow.maker.made[0]
    assert show(made.tuple) == "10.0.1.2 > 10.0.2.2:3000"
    assert made.nat
    assert (made.nat.src, made.nat.sport, made.nat_dir) == (flow.server.addr, 3000, 0)
    assert made.fn == "nat-follow-master"


def test_snat_active_is_rewritten() -> None:
    flow = tcp(seen_client="192.0.2.1:50000")
    verdict = flow.c(b"OPEN 10.0.1.2 3000\r\n")
    assert payload_of(verdict) == b"OPEN 192.0.2.1 3000\r\n"
    made = flow.maker.made[0]
    assert show(made.tuple) == "10.0.2.2 > 192.0.2.1:3000"
    assert made.nat
    assert (made.nat.src, made.nat.sport, made.nat_dir) == (flow.client.addr, 3000, 1)


def test_dnat_passive_is_rewritten_to_what_the_client_knows() -> None:
    flow = tcp(seen_server="198.51.100.9:7")
    verdict = flow.s(b"OPEN 10.0.2.2 3000\r\n")
    assert payload_of(verdict) == b"OPEN 198.51.100.9 3000\r\n"
    assert show(flow.maker.made[0].tuple) == "10.0.1.2 > 198.51.100.9:3000"


def test_both_nats_active() -> None:
    flow = tcp(seen_client="192.0.2.1:50000", seen_server="198.51.100.9:7")
    assert payload_of(flow.c(b"OPEN 10.0.1.2 3000\r\n")) == b"OPEN 192.0.2.1 3000\r\n"
    assert show(flow.maker.made[0].tuple) == "10.0.2.2 > 192.0.2.1:3000"


def test_port_clash_takes_the_next_port() -> None:
    def clash(expectation: Expectation) -> int:
        return (
            EEXIST if expectation.tuple.dport == 3000 else EBUSY * (expectation.tuple.dport == 3001)
        )

    flow = tcp(seen_client="192.0.2.1:50000", maker=FakeMaker(errors=clash))
    assert payload_of(flow.c(b"OPEN 3000\r\n")) == b"OPEN 3002\r\n"
    made = flow.maker.made[0]
    assert made.nat
    assert (made.tuple.dport, made.nat.sport) == (3002, 3000)


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
    assert len(flow.maker.made) == 1


def test_retransmission_that_cuts_the_rewritten_text_is_dropped() -> None:
    flow = tcp(seen_client="192.0.2.1:50000")
    flow.c(b"OPEN 10.0.1.2 3000\r\n")
    assert not flow.send(flow.packet(b"OPEN 10.0", False, seq=1000)).accept
    assert flow.send(flow.packet(b"OPEN", False, seq=1000)).accept


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


def test_state_in_the_middle_of_a_line_is_not_stored_as_if_it_were_whole() -> None:
    old = tcp()
    old.c(b"one\r\nOP")
    new = tcp()
    new.info, new.seq, new.payloads = old.info, old.seq, old.payloads
    new.c(b"EN 3000\r\n")
    new.c(b"OPEN 3001\r\n")
    assert new.expected == []


def test_a_flow_that_was_expected_itself_stores_nothing() -> None:
    flow = tcp()
    flow.extra = {"status": 8 | 0x2000 | 1}
    assert flow.c(b"one\r\n").info is None


def test_foreign_helper_leaves_the_queue() -> None:
    flow = tcp()
    packet = flow.packet(b"OPEN 3000\r\n", False)
    packet.helper = "ftp"
    assert flow.send(packet).done
    assert flow.expected == []


def test_udp_keeps_its_master_alive() -> None:
    flow = Connection(TALK, "udp", C, S)
    flow.extra = {"timeout": 30}
    assert flow.s(b"3000").timeout in (60, 61)
    flow.extra = {"timeout": 70}
    assert flow.s(b"3000").timeout is None


def test_permanent_ones_are_not_made_twice_while_young() -> None:
    flow = Connection(TALK, "udp", C, S)
    flow.s(b"3000")
    flow.s(b"3000")
    assert len(flow.expected) == 1
    flow.now += 40
    flow.s(b"3000")
    assert len(flow.expected) == 2


def test_first_packet_carries_its_expectations_one_by_one() -> None:
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


def test_a_new_connection_may_have_the_id_of_one_that_ended() -> None:
    flow = Connection(TALK, "udp", C, S)
    flow.extra = {"status": 0x2000}  # not confirmed
    for _ in range(2):
        made = flow.send(flow.packet(b"3000", False)).expectation
        assert made
        assert made.tuple.dport == 3000
    assert len(flow.inspector) == 1


def test_so_may_a_new_tcp_connection() -> None:
    flow = tcp()
    flow.c(b"OPEN 3000\r\nhalf a line")
    flow.payloads = [0, 0]
    flow.seq = [77000, 88000]
    flow.info = bytes(32)
    flow.c(b"OPEN 3001\r\n")
    assert [e.tuple.dport for e in flow.maker.made] == [3000, 3001]
    assert not [note for note in flow.notes if note.kind == "poisoned"]


def test_class_limit_forgets_the_oldest() -> None:
    flow = tcp()
    for port in range(3000, 3010):
        flow.c(b"OPEN %d\r\n" % port)
    ((_, state),) = flow.inspector._flows.all()
    assert [t.dport for t in state.made] == [3008, 3009]


def test_flow_table_is_bounded() -> None:
    flow = tcp()
    flow.inspector._flows._most = 10
    for n in range(100):
        packet = flow.packet(b"x\r\n", False)
        packet.ct_id = n
        flow.inspector.packet(packet, 0)  # type: ignore[arg-type]
    assert len(flow.inspector) == 10


def test_disabled_helper_lets_go() -> None:
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
def test_what_was_taken_back_does_not_go_with_a_verdict(word: bytes) -> None:
    """Least of all with that of another flow's packet, whose master it would get."""
    flow = Connection(LAST, "udp", C, S)
    flow.extra = {"status": 0x2000}  # the first packet, which conntrack has not confirmed
    assert flow.c(b"3000 3001 " + word).expectation is None
    other = Connection(LAST, "udp", "10.0.1.3:40000", S, inspector=flow.inspector)
    assert other.c(b"CANCEL").expectation is None


def test_done_takes_effect_when_all_is_attached() -> None:
    flow = Connection(LAST, "udp", C, S)
    flow.extra = {"status": 0x2000}
    packet = flow.packet(b"3000 3001 DONE", False)
    first, second = flow.send(packet), flow.send(packet)
    assert [v.expectation and v.expectation.tuple.dport for v in (first, second)] == [3000, 3001]
    # a flow that is done does not come to the queue again, not even with a packet that is to be repeated
    assert [(v.repeat, v.done) for v in (first, second)] == [(True, False), (False, True)]
    flow.extra = {}
    assert flow.c(b"3002 DONE") == ACCEPT


def test_a_dropped_packet_does_not_come_again() -> None:
    flow = Connection(LAST, "udp", C, S)
    flow.extra = {"status": 0x2000}
    dropped = flow.c(b"3000 3001 DROP")
    assert (dropped.accept, dropped.repeat) == (False, False)
    flow.extra = {}
    assert flow.c(b"CANCEL").expectation is None
