"""What becomes of an announcement where addresses are translated, clash, or can not be rewritten."""

from __future__ import annotations

from errno import EBUSY, EEXIST, EMFILE

from connection import FakeMaker, payload_of, show
from invented import C6, S6, tcp

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
