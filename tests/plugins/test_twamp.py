"""TWAMP: an accepted session opens the server's port for the controller's, and nothing else does."""

from __future__ import annotations

import pytest
from connection import Connection, payload_of
from hypothesis import given
from hypothesis import strategies as st
from twamp_messages import (
    BEGIN,
    SESSION,
    START_ACK,
    TWAMP,
    accept,
    command,
    greeting,
    request,
    server_start,
    set_up,
)

from fwhelpers.api import Cancel, Done, Endpoint, Expect, ParseError, Refuse, Rewrite
from fwhelpers.plugin.validation import validate
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import Announced, check, check_restart
from fwhelpers.testing.playbook import CLIENT, SERVER, Message

OTHER = Endpoint.parse("192.0.2.9").addr
texts = st.one_of(
    st.builds(
        request,
        st.sampled_from([0, 20001, 65535]),
        sender=st.sampled_from([b"", CLIENT[4].addr, OTHER]),
        receiver=st.sampled_from([b"", SERVER[4].addr, OTHER]),
        version=st.sampled_from([None, 6]),
        slots=st.sampled_from([0, 0, 1]),
    ),
    st.builds(accept, st.sampled_from([0, 80, 20002]), st.integers(0, 2)),
    st.builds(command, st.integers(0, 10)),
    st.sampled_from([greeting(), greeting(0, 7), set_up(), set_up(4), server_start(), START_ACK]),
    st.binary(max_size=120),
)
messages = st.builds(Message, texts, st.booleans())
scripts = st.one_of(
    st.lists(messages, max_size=8), st.lists(messages, max_size=8).map(lambda more: BEGIN + more)
)


def begun(family: int = 4) -> Playbook:
    play = Playbook(TWAMP, family=family)
    for message in BEGIN:
        play = play >> message
    return play


def session(play: Playbook, port: int = 20002, sport: int = 20001) -> Expect:
    return Expect(
        play.client, play.server.at(port), l4="udp", sport=sport, span=(2, 4),
        trigger="Accept-Session",
    )  # fmt: skip


def moved(expected: Expect, play: Playbook) -> Expect:
    """The span counts from the beginning of the server's stream, whose last message is the answer."""
    size = len(play.streams[1])
    return Expect(
        expected.client, expected.server, l4="udp", sport=expected.sport,
        span=(size - 46, size - 44), trigger=expected.trigger,
    )  # fmt: skip


@given(scripts, st.integers(0, 100))
def test_fuzz(script: list[Message], seed: int) -> None:
    for item in check(TWAMP, script, "tcp", seed=seed):
        if isinstance(item, Announced):
            assert (item.l4, item.server.addr) == ("udp", SERVER[4].addr)


@given(scripts)
def test_another_worker_can_take_over(script: list[Message]) -> None:
    check_restart(TWAMP, script, "tcp")


def test_the_declaration() -> None:
    assert list(validate(TWAMP)) == []


@pytest.mark.parametrize("family", [4, 6])
def test_an_accepted_session_is_opened(family: int) -> None:
    play = begun(family) >> client(request(family=family)) >> server(accept())
    play = play << moved(session(play), play)
    assert play >> client(command(2)) >> server(START_ACK) >> client(command(3)) << Cancel()


def test_the_server_chooses_another_port() -> None:
    play = begun() >> client(request()) >> server(accept(30000))
    assert play << moved(session(play, 30000), play)


def test_several_requests_at_once() -> None:
    play = begun() >> client(request(20001), request(20003), command(2))
    play = play >> server(accept(20002))
    play = (play << moved(session(play), play)) >> server(accept(20004))
    assert play << moved(session(play, 20004, 20003), play) >> server(START_ACK)


def test_addresses_of_the_two_ends_may_be_named() -> None:
    play = begun() >> client(request(sender=CLIENT[4].addr, receiver=SERVER[4].addr))
    assert play << Rewrite << Rewrite >> server(accept()) << Expect


@pytest.mark.parametrize(
    ("data", "rule"),
    [(request(sender=OTHER), "G5"), (request(version=6), "G7"), (request(slots=3), "G3")],
)
def test_requests_that_are_refused(data: bytes, rule: str) -> None:
    play = begun() >> client(data) << Refuse
    assert isinstance(play.last, Refuse)
    assert play.last.rule == rule
    assert play >> server(accept())


@pytest.mark.parametrize("data", [accept(code=1), accept(0)])
def test_refused_sessions_open_nothing(data: bytes) -> None:
    assert begun() >> client(request()) >> server(data)


@pytest.mark.parametrize("mode", [0, 2, 4, 8])
def test_encrypted_connections_are_not_inspected(mode: int) -> None:
    play = Playbook(TWAMP) >> server(greeting(15)) >> client(set_up(mode)) << Done
    assert play >> server(b"\xee" * 48) >> client(b"\xee" * 300)


def test_sessions_that_are_started_one_by_one() -> None:
    assert begun() >> client(command(7)) << Done


def test_a_server_that_refuses() -> None:
    play = Playbook(TWAMP) >> server(greeting()) >> client(set_up())
    assert play >> server(server_start(1)) << Done


@pytest.mark.parametrize(
    "script",
    [
        [client(b"GET / HTTP/1.1\r\n")],
        [server(greeting(count=1000))],
        [server(greeting(end=b"x" * 12))],
        [server(greeting()), server(server_start())],
        [server(greeting()), client(set_up()), server(server_start(begin=b"x" * 15))],
        [server(greeting()), client(set_up()), client(request())],
        [*BEGIN, client(command(1))],
        [*BEGIN, server(accept())],
        [*BEGIN, client(command(2) * 6)],
    ],
)
def test_other_bytes_end_the_inspection(script: list[Message]) -> None:
    play = Playbook(TWAMP)
    for message in script:
        play = play >> message
    assert play << ParseError


def test_behind_nat_both_sides_see_translated_addresses() -> None:
    c = Connection(
        TWAMP, "tcp", "10.0.1.2:40000", "10.0.2.2:862",
        seen_client="192.0.2.1:40000", seen_server="10.0.1.1:862",
    )  # fmt: skip
    for message in BEGIN:
        c.say(message.data, message.reply)
    own, visible = Endpoint.parse("10.0.1.2").addr, Endpoint.parse("10.0.1.1").addr
    data = payload_of(c.c(request(sender=own, receiver=visible)))
    assert data[16:20] == Endpoint.parse("192.0.2.1").addr
    assert data[32:36] == Endpoint.parse("10.0.2.2").addr
    c.s(accept())
    assert c.expected == ["10.0.1.2 > 10.0.1.1:20002"]
    assert c.maker.created[0].tuple.sport == 20001


def test_a_whole_session() -> None:
    assert [item for item in check(TWAMP, SESSION, "tcp") if isinstance(item, Announced)]
