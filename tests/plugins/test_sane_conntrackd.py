"""What conntrackd's sane helper (1.4.7, src/helpers/sane.c) gets wrong, done right: through the real engine."""

from __future__ import annotations

import pytest
import sane_messages as m
from connection import Connection, payload_of
from fwhelpers_plugins.sane import fwhelpers_helpers

(SANE,) = fwhelpers_helpers()
V4 = ("10.0.1.2:40000", "10.0.2.2:6566")
V6 = ("[fd01::2]:40000", "[fd02::2]:6566")


def opened(ends: tuple[str, str] = V4, **options: str) -> Connection:
    c = Connection(SANE, "tcp", *ends, **options)  # type: ignore[arg-type]
    for question, answer in m.SESSION:
        c.c(question)
        c.s(answer)
    return c


def test_one_connection_for_each_start_and_soon() -> None:
    # it keeps what it opened for 300 seconds
    c = opened()
    c.c(m.START)
    c.s(m.started())
    (expectation,) = c.maker.created
    assert c.expected == ["10.0.1.2 > 10.0.2.2:45000"]
    assert (expectation.flags, expectation.timeout, expectation.tuple.l4) == (0, 30, 6)


def test_a_request_that_comes_in_two_segments() -> None:
    # it wants a segment of exactly eight bytes
    c = opened()
    c.c(m.START[:5])
    c.c(m.START[5:])
    c.s(m.started())
    assert c.expected == ["10.0.1.2 > 10.0.2.2:45000"]


def test_a_request_that_comes_with_another() -> None:
    c = opened()
    c.c(m.GET_PARAMETERS + m.START)
    c.s(m.PARAMETERS_REPLY + m.started())
    assert c.expected == ["10.0.1.2 > 10.0.2.2:45000"]


def test_a_reply_that_comes_byte_by_byte() -> None:
    c = opened()
    c.c(m.START)
    for byte in m.started():
        c.s(bytes((byte,)))
    assert c.expected == ["10.0.1.2 > 10.0.2.2:45000"]


def test_eight_bytes_that_look_like_the_request() -> None:
    # the value of an option, a segment of its own: it takes any 8 bytes 00000007 xxxxxxxx for START
    c = opened()
    gamma = m.word(5, 0, 9, 1, 1, 8, 2)
    c.c(gamma)
    c.c(m.word(7, 0))
    c.s(m.started(3306))
    assert (c.expected, c.refused) == ([], [])


def test_the_servers_next_words_are_no_reply_to_start_by_themselves() -> None:
    # it takes whatever the server says next, though an earlier request has not been answered
    c = opened()
    c.c(m.GET_PARAMETERS + m.START)
    c.s(m.word(0, 45001, 1, 100, 100, 50, 8))
    assert c.expected == []


def test_port_zero() -> None:
    # the reply that asks for a password has none; it opens port 0
    c = opened()
    c.c(m.START)
    c.s(m.started(0, resource=b"net:test"))
    assert (c.expected, c.refused) == ([], [])


@pytest.mark.parametrize(
    ("port", "rule"), [(22, "G6"), (1023, "G6"), (3306, "G6"), (0x10016, "G11")]
)
def test_ports_that_stay_closed(port: int, rule: str) -> None:
    c = opened()
    c.c(m.START)
    c.s(m.started(port))
    assert (c.expected, c.refused) == ([], [rule])


def test_ipv6() -> None:
    c = opened(V6)
    c.c(m.START)
    c.s(m.started())
    assert c.expected == ["fd01::2 > [fd02::2]:45000"]


@pytest.mark.parametrize(
    "options", [{"seen_client": "192.0.2.9:1024"}, {"seen_server": "192.0.2.1:6566"},
              {"seen_client": "192.0.2.9:1024", "seen_server": "192.0.2.1:6566"}],
)  # fmt: skip
def test_behind_translation(options: dict[str, str]) -> None:
    # its expectation knows no NAT: with DNAT the picture's connection ends at the gateway
    c = opened(**options)
    c.c(m.START)
    verdict = c.s(m.started())
    (expectation,) = c.maker.created
    host = options.get("seen_server", "10.0.2.2:6566").rpartition(":")[0]
    assert c.expected == [f"10.0.1.2 > {host}:45000"]
    assert expectation.fn == "nat-follow-master"
    assert expectation.nat is not None
    assert verdict.payload is None  # the reply names no address


def test_another_port_where_the_announced_one_is_taken() -> None:
    # on the translated address another client's picture may have it
    from errno import EBUSY

    c = opened(seen_server="192.0.2.1:6566")
    c.maker.errors = lambda expectation: EBUSY if expectation.tuple.dport == 45000 else 0
    c.c(m.START)
    verdict = c.s(m.started())
    assert c.expected == ["10.0.1.2 > 192.0.2.1:45001"]
    assert payload_of(verdict) == m.started(45001)


def test_the_connection_leaves_the_queue_after_exit() -> None:
    c = opened()
    assert c.c(m.EXIT).done
    assert [note.kind for note in c.notes] == ["done"]


def test_a_worker_that_takes_over() -> None:
    c = opened()
    c.c(m.START)
    d = Connection(SANE, "tcp", *V4)
    d.info, d.seq, d.payloads = c.info, c.seq, c.payloads
    d.s(m.started())
    assert d.expected == ["10.0.1.2 > 10.0.2.2:45000"]
