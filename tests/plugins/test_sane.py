"""SANE, as a play; what conntrackd's helper gets wrong is in test_sane_conntrackd.py."""

from __future__ import annotations

import pytest
import sane_messages as m
from fwhelpers_plugins.sane import MAX_PENDING, fwhelpers_helpers
from fwhelpers_plugins.sane.wire import MAX_ELEMENTS, MAX_VALUE
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Cancel, Done, Endpoint, Expect, ParseError, Refuse
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check, check_restart
from fwhelpers.testing.playbook import Message

(SANE,) = fwhelpers_helpers()

requests = st.sampled_from(
    [question for question, _ in m.SESSION[1:]] + [m.START, m.CANCEL, m.CLOSE]
)
replies = st.sampled_from(
    [answer for _, answer in m.SESSION]
    + [
        m.started(),
        m.started(0),
        m.started(70000),
        m.started(status=4),
        m.started(resource=b"net:x"),
        m.DUMMY,
    ]
)
numbers = st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 7, 9, 0xFFFF, 2**31]), max_size=12).map(
    lambda words: m.word(*words)
)
lines = st.one_of(
    st.builds(Message, st.one_of(requests, numbers, st.binary(max_size=40)), st.just(False)),
    st.builds(Message, st.one_of(replies, numbers, st.binary(max_size=40)), st.just(True)),
)
#: what saned and a client would say: each request with its reply
dialogues = st.lists(
    st.sampled_from([*m.SESSION[1:], (m.START, m.started()), (m.CANCEL, m.DUMMY)]), max_size=8
).map(
    lambda pairs: [
        message for pair in (m.SESSION[0], *pairs) for message in (client(pair[0]), server(pair[1]))
    ]
)


@given(
    st.lists(lines, max_size=8).map(lambda messages: [client(m.INIT), *messages]),
    st.integers(0, 50),
)
def test_fuzz(script: list[Message], seed: int) -> None:
    check(SANE, script, seed=seed)


@given(st.lists(st.builds(Message, st.binary(max_size=60), st.booleans()), max_size=5))
def test_fuzz_garbage(script: list[Message]) -> None:
    check(SANE, script)


@given(dialogues, st.integers(0, 50))
def test_a_dialogue_is_read_to_its_end(script: list[Message], seed: int) -> None:
    outcome = check(SANE, script, seed=seed)
    assert "ParseError" not in outcome
    starts = sum(message.data == m.START for message in script)
    assert sum(type(event).__name__ == "Announced" for event in outcome) == starts


@given(dialogues)
def test_another_worker_can_take_over(script: list[Message]) -> None:
    check_restart(SANE, script)


def opened(family: int = 4) -> Playbook:
    play = Playbook(SANE, family=family)
    for question, answer in m.SESSION:
        play = play >> client(question) >> server(answer)
    return play


@pytest.mark.parametrize("family", [4, 6])
def test_start(family: int) -> None:
    play = opened(family)
    data = Expect(play.client, play.server.at(45000), trigger="START")
    assert play >> client(m.START) >> server(m.started()) << data


def test_each_start_has_a_port_of_its_own() -> None:
    play = opened()
    for port in (45000, 45001):
        data = Expect(play.client, play.server.at(port), trigger="START")
        play = play >> client(m.START) >> server(m.started(port)) << data
    assert play


def test_requests_sent_together_are_told_apart() -> None:
    play = opened()
    data = Expect(play.client, play.server.at(45000), trigger="START")
    play = play >> client(m.GET_PARAMETERS, m.START, m.GET_PARAMETERS)
    assert play >> server(m.PARAMETERS_REPLY, m.started(), m.PARAMETERS_REPLY) << data


def test_done_after_exit() -> None:
    play = opened() >> client(m.CLOSE) << Cancel() >> server(m.DUMMY)
    assert play >> client(m.EXIT) << Done


def test_a_cancelled_scan_takes_its_port_along() -> None:
    play = opened() >> client(m.START) >> server(m.started()) << Expect
    assert play >> client(m.CANCEL) << Cancel() >> server(m.DUMMY)


def test_a_name_and_a_password_come_first() -> None:
    play = opened()
    play = play >> client(m.START) >> server(m.started(0, resource=b"net:test"))
    play = play >> client(m.AUTHORIZE) >> server(m.DUMMY)
    assert (
        play >> server(m.started()) << Expect(play.client, play.server.at(45000), trigger="START")
    )


@pytest.mark.parametrize("resource", [None, b""])
def test_no_resource_can_be_said_in_two_ways(resource: bytes | None) -> None:
    assert opened() >> client(m.START) >> server(m.started(resource=resource)) << Expect


@pytest.mark.parametrize("status", [1, 3, 7, 2**31])
def test_a_negative_reply_opens_nothing(status: int) -> None:
    assert opened() >> client(m.START) >> server(m.started(status=status, order=0))


@pytest.mark.parametrize("port", [0, 0x10000, 0x10000 + 45000, 2**32 - 1])
def test_ports_that_there_are_not(port: int) -> None:
    play = opened() >> client(m.START) >> server(m.started(port)) << Refuse
    assert isinstance(play.last, Refuse)
    assert play.last.rule == "G11"


def test_an_old_server_is_sent_a_value_with_set_auto() -> None:
    play = Playbook(SANE) >> client(m.INIT) >> server(m.init_reply(2))
    play = play >> client(m.SET_AUTO, m.word(1, 4), m.array(m.word(1))) >> server(m.control_reply())
    assert play >> client(m.START) >> server(m.started()) << Expect


def test_the_port_can_be_rewritten() -> None:
    play = opened() >> client(m.START) >> server(m.started()) << Expect
    text = play.rewritten(Endpoint.parse("10.0.1.1", 45007), reply=True)
    assert text.endswith(m.started(45007))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n", b"\x16\3\1\0", m.START, m.EXIT, m.word(0, 0x02000003), m.word(0, 3),
    ],
)  # fmt: skip
def test_what_begins_otherwise_is_not_it(data: bytes) -> None:
    assert Playbook(SANE) >> client(data) << ParseError


@pytest.mark.parametrize(
    "data",
    [
        m.word(11), m.word(2**31), m.word(2, MAX_VALUE + 1), m.word(5, 0, 1, 0, 6, 0), m.word(5, 0, 1, 0, 3, 5, 2**30),
    ],
)  # fmt: skip
def test_requests_that_there_are_not(data: bytes) -> None:
    assert opened() >> client(data) << ParseError


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (m.OPTIONS, m.word(MAX_ELEMENTS + 1)), (m.OPTIONS, m.word(1, 2)), (m.GET_DEVICES, m.word(0, MAX_ELEMENTS + 1)),
        (m.OPTIONS, m.array(m.pointer(m.option(m.word(4))))), (m.START, m.started(order=0x4312)),
    ],
)  # fmt: skip
def test_replies_that_there_are_not(question: bytes, answer: bytes) -> None:
    assert opened() >> client(question) >> server(answer) << ParseError


def test_a_reply_without_a_request() -> None:
    assert opened() >> server(m.started()) << ParseError


def test_a_reply_in_the_place_of_a_name_and_a_password() -> None:
    play = opened() >> client(m.START) >> server(m.started(0, resource=b"net:test"))
    assert play >> server(m.started()) << ParseError


def test_requests_are_not_remembered_without_end() -> None:
    play = opened() >> client(m.GET_PARAMETERS * MAX_PENDING)
    assert play >> client(m.GET_PARAMETERS) << ParseError


def test_a_long_list_of_options_is_not_kept() -> None:
    reply = m.array(*[m.pointer(m.option(m.STRING_LIST))] * 3000)
    script = [client(m.INIT), server(m.init_reply()), client(m.OPTIONS), server(reply)]
    script += [client(m.START), server(m.started())]
    assert len(check(SANE, script)) == 1


@pytest.mark.parametrize(
    "state", [b"\1", b"\1\0", b"\4\0\3", b"\1\0\3\x0b", b"\1\0\3" + b"\1" * 17]
)
def test_stored_state_that_makes_no_sense(state: bytes) -> None:
    from fwhelpers.testing.playbook import new_parser

    with pytest.raises(ParseError):
        new_parser(SANE).restore(state)
