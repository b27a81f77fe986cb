"""talk: the callee may ask the caller's daemon, and connect to the port that it names."""

from __future__ import annotations

import pytest
from connection import Connection, payload_of, show
from fwhelpers_plugins.talk import PORT
from hypothesis import given
from hypothesis import strategies as st
from talk_messages import (
    ANNOUNCE,
    CALLER,
    DELETE,
    LEAVE_INVITE,
    LISTENS,
    LOOK_UP,
    NOWHERE,
    TALK,
    answer,
    request,
)

from fwhelpers.api import Cancel, Endpoint, Expect, ParseError, Refuse, Rewrite
from fwhelpers.kernel.conntrack import IPS_EXPECTED
from fwhelpers.plugin.validation import validate
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import Announced, check, check_restart
from fwhelpers.testing.playbook import CLIENT, SERVER, Message

OTHER = Endpoint.parse("192.0.2.9", 47429)
kinds = st.integers(0, 5)
ends = st.sampled_from([LISTENS, CALLER, OTHER, NOWHERE, CLIENT[4]])
families = st.sampled_from([2, 2, 0, 512, 10])
datagrams = st.one_of(
    st.builds(request, kinds, ends, ends, families, st.sampled_from([1, 1, 1, 0])),
    st.builds(answer, kinds, st.integers(0, 3), ends, families),
    st.binary(max_size=90),
)
scripts = st.lists(st.builds(Message, datagrams, st.booleans()), max_size=8)


def control(end: Endpoint = CLIENT[4], offset: int = 26) -> Rewrite:
    return Rewrite(end, (offset, offset + 6), lambda end: end.port.to_bytes(2, "big") + end.addr)


def host(offset: int = 12) -> Rewrite:
    return Rewrite(CLIENT[4].at(0), (offset, offset + 4), lambda end: end.addr)


def question() -> Expect:
    return Expect(
        SERVER[4].at(PORT), CLIENT[4].at(PORT), policy="lookup", child=True, trigger="ANNOUNCE"
    )


def conversation(end: Endpoint) -> Expect:
    return Expect(CLIENT[4], end, l4="tcp", policy="talk", span=(10, 16), trigger="LOOK_UP")


def answered() -> Playbook:
    """A daemon has said that nobody waits."""
    return Playbook(TALK) >> client(request()) << control() >> server(answer())


def announced() -> Playbook:
    play = answered() >> client(request(ANNOUNCE, LISTENS)) << host() << control()
    return play << question()


@given(scripts)
def test_fuzz(script: list[Message]) -> None:
    for item in check(TALK, script, "udp"):
        if isinstance(item, Announced):
            assert item.server.addr == CLIENT[4].addr or item.l4 == "tcp"
            assert item.l4 == "tcp" or item.server.port == PORT


@given(scripts)
def test_another_worker_can_take_over(script: list[Message]) -> None:
    check_restart(TALK, script, "udp")


def test_the_declaration() -> None:
    assert list(validate(TALK)) == []


def test_announce_lets_the_callee_ask() -> None:
    assert announced() >> server(answer(ANNOUNCE, 0))


def test_each_announce_renews() -> None:
    play = announced() >> server(answer(ANNOUNCE, 0)) >> client(request(ANNOUNCE, LISTENS))
    assert play << host() << control() << question()


def test_the_answer_to_a_question_opens_the_conversation() -> None:
    play = Playbook(TALK) >> client(request()) << control() >> server(answer(code=0, end=CALLER))
    assert play << conversation(CALLER)


def called(server: str, **options: object) -> Connection:
    """A question of 10.0.2.2, which an ANNOUNCE has let in."""
    c = Connection(TALK, "udp", "10.0.2.2:40000", server, **options)  # type: ignore[arg-type]
    c.extra = {"status": 8 | 0x2000 | IPS_EXPECTED}
    return c


def test_a_stranger_can_not_open_what_he_has_registered() -> None:
    """talkd stores any invitation, and names its address to who asks for it."""
    c = Connection(TALK, "udp", "10.0.2.2:40000", "10.0.1.2:518")
    inside = Endpoint.parse("10.0.1.2", 8888)
    c.c(request(LEAVE_INVITE, inside))
    c.s(answer(LEAVE_INVITE, 0))
    c.c(request())
    c.s(answer(code=0, end=inside))
    assert (c.expected, c.refused) == ([], ["G5", "G4"])


def test_a_callee_can_not_open_what_it_has_registered() -> None:
    c = called("10.0.1.2:518")
    inside = Endpoint.parse("10.0.1.2", 8888)
    c.c(request(LEAVE_INVITE, inside))
    c.s(answer(LEAVE_INVITE, 0))
    again = called("10.0.1.2:518", inspector=c.inspector, maker=c.maker)
    again.extra["ct_id"] = 2
    again.c(request())
    again.s(answer(code=0, end=inside))
    assert (c.expected, c.refused) == ([], ["G5", "G4"])


def test_who_was_called_may_connect() -> None:
    c = called("10.0.1.2:518")
    c.c(request())
    c.s(answer(code=0, end=Endpoint.parse("10.0.1.2", 47429)))
    assert (c.expected, c.refused) == (["10.0.2.2 > 10.0.1.2:47429"], [])


def test_other_hosts_are_judged_by_the_guard() -> None:
    c = called("10.0.1.2:518")
    c.c(request(control=Endpoint.parse("10.0.2.2", 40000)))
    c.s(answer(code=0, end=OTHER))
    assert (c.expected, c.refused) == ([], ["G5"])


@pytest.mark.parametrize(
    "data",
    [
        answer(code=1, end=CALLER),
        answer(DELETE, 0, CALLER),  # another question's
        answer(code=0, end=CALLER, family=0),
    ],
)
def test_answers_that_open_nothing(data: bytes) -> None:
    assert Playbook(TALK) >> client(request()) << control() >> server(data)


def test_an_answer_counts_once() -> None:
    assert answered() >> server(answer(code=0, end=CALLER))


def test_without_a_question_there_is_no_answer() -> None:
    assert Playbook(TALK) >> server(answer(code=0, end=CALLER))


def test_a_daemon_that_has_not_answered_may_have_been_asked_by_anybody() -> None:
    play = Playbook(TALK) >> client(request(ANNOUNCE, LISTENS)) << host() << control() << Refuse
    assert isinstance(play.last, Refuse)
    assert play.last.rule == "G4"


@pytest.mark.parametrize("data", [request(ANNOUNCE, OTHER), request(ANNOUNCE, LISTENS, family=10)])
def test_announce_for_another_host_is_refused(data: bytes) -> None:
    play = answered() >> client(data) << control() << Refuse
    assert isinstance(play.last, Refuse)
    assert play.last.rule == "G5"
    assert play


def test_refused_and_withdrawn_invitations_close() -> None:
    assert announced() >> server(answer(ANNOUNCE, 3)) << Cancel()
    play = announced() >> server(answer(ANNOUNCE, 0)) >> client(request(DELETE, LISTENS))
    assert play << host() << control() << Cancel()


def test_leave_invite_is_for_the_own_daemon() -> None:
    assert answered() >> client(request(LEAVE_INVITE, LISTENS)) << host() << control()


@pytest.mark.parametrize(
    "message",
    [
        client(b""),
        client(answer()),
        server(request()),
        client(request(version=0)),
        client(request(4)),
        client(request() + b"\0"),
        server(answer(9)),
    ],
)
def test_other_bytes_open_nothing(message: Message) -> None:
    assert Playbook(TALK) >> message


def test_behind_masquerading_the_translated_address_is_named() -> None:
    own = Endpoint.parse("10.0.1.2", 40000)
    c = Connection(TALK, "udp", "10.0.1.2:40000", "10.0.2.2:518", seen_client="192.0.2.1:50000")
    first = payload_of(c.c(request(control=own)), 28)
    assert bytes.fromhex("c350c0000201") in first
    c.s(answer())
    verdict = c.c(request(ANNOUNCE, own.at(47429), control=own))
    assert own.addr not in payload_of(verdict, 28)
    assert verdict.expectation is not None  # with the verdict, as it has a helper of its own
    assert show(verdict.expectation.tuple) == "10.0.2.2 > 192.0.2.1:518"


def test_behind_masquerading_the_callee_is_told_the_translated_port() -> None:
    c = called("10.0.1.2:518", seen_server="192.0.2.1:518")
    c.c(request(control=Endpoint.parse("10.0.2.2", 40000)))
    data = payload_of(c.s(answer(code=0, end=Endpoint.parse("10.0.1.2", 47429))), 28)
    assert c.expected == ["10.0.2.2 > 192.0.2.1:47429"]
    assert bytes.fromhex("b945c0000201") in data


@given(st.binary(max_size=4))
def test_stored_state_is_checked(state: bytes) -> None:
    parser = Playbook(TALK)._parser
    try:
        parser.restore(state)
    except ParseError:
        return
    assert parser.save() == state or state[:1] == b"\0"


def test_look_up_is_the_first_message() -> None:
    assert request()[1] == LOOK_UP
