"""EtherNet/IP: what an accepted Forward_Open opens in each direction, and what ends it."""

from __future__ import annotations

import pytest
from connection import Connection
from enip_messages import (
    ENIP,
    MULTICAST,
    NONE,
    O_TO_T,
    POINT_TO_POINT,
    REGISTER_SESSION,
    SEND_UNIT_DATA,
    T_TO_O,
    address,
    closed,
    closes,
    message,
    opened,
    opens,
    routed,
    send,
)
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Cancel, Endpoint, Expect, ParseError, Refuse
from fwhelpers.plugin.validation import validate
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import Announced, check, check_restart
from fwhelpers.testing.playbook import CLIENT, SERVER, Message

OTHER, ANY = Endpoint.parse("192.0.2.9", 2222), Endpoint(bytes(4), 3000)
serials = st.integers(1, 3)
kinds = st.sampled_from([NONE, MULTICAST, POINT_TO_POINT, 3])
requests = st.one_of(
    st.builds(opens, serials, kinds, kinds, st.sampled_from([0, 1, 0xA3]), st.booleans()),
    st.builds(closes, serials),
    st.builds(opened, serials, st.sampled_from([0, 1]), st.booleans()),
    st.builds(closed, serials, st.sampled_from([0, 1])),
)
ends = st.sampled_from([CLIENT[4], SERVER[4].at(80), SERVER[4].at(3001), OTHER, ANY])
items = st.lists(
    st.tuples(st.sampled_from([O_TO_T, T_TO_O]), st.builds(address, ends, st.sampled_from([2, 9]))),
    max_size=2,
)
texts = st.one_of(
    st.builds(lambda cip, more: send(cip, *more), requests, items),
    st.builds(lambda cip: send(routed(cip)), requests),
    st.sampled_from([message(b"\1\0\0\0", REGISTER_SESSION), message(bytes(5000))]),
    st.binary(max_size=40),
    st.builds(lambda data: send(data), st.binary(max_size=60)),
    st.builds(message, st.binary(max_size=40)),
)
scripts = st.lists(st.builds(Message, texts, st.booleans()), max_size=8)


def outputs(port: int = 2222) -> Expect:
    return Expect(CLIENT[4], SERVER[4].at(port), l4="udp", trigger="O->T")


def inputs(port: int = 2222) -> Expect:
    return Expect(
        SERVER[4].at(44818), CLIENT[4].at(port), l4="udp", confirms_peer=True, trigger="T->O"
    )


@given(scripts, st.integers(0, 100))
def test_fuzz(script: list[Message], seed: int) -> None:
    for item in check(ENIP, script, "tcp", seed=seed):
        if isinstance(item, Announced):
            assert {item.client.addr, item.server.addr} == {CLIENT[4].addr, SERVER[4].addr}


@given(scripts)
def test_another_worker_can_take_over(script: list[Message]) -> None:
    check_restart(ENIP, script, "tcp")


def test_the_declaration() -> None:
    assert list(validate(ENIP)) == []


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("route", [lambda request: request, routed])
def test_an_accepted_connection_opens_both_directions(large: bool, route: object) -> None:
    assert callable(route)
    play = Playbook(ENIP) >> client(message(b"\1\0\0\0", REGISTER_SESSION))
    play = play >> client(send(route(opens(large=large)))) >> server(send(opened(large=large)))
    assert play << outputs() << inputs()


def test_both_ends_may_name_ports() -> None:
    play = Playbook(ENIP) >> client(send(opens(), (T_TO_O, address(ANY))))
    play = play >> server(send(opened(), (O_TO_T, address(SERVER[4].at(3001)))))
    assert play << outputs(3001) << inputs(3000)


def test_listeners_have_no_outputs_and_sensors_no_inputs() -> None:
    play = Playbook(ENIP) >> client(send(opens(outputs=NONE))) >> server(send(opened()))
    assert play << inputs()
    play = Playbook(ENIP) >> client(send(opens(inputs=NONE))) >> server(send(opened()))
    assert play << outputs()


def test_inputs_to_a_group_need_a_rule_of_their_own() -> None:
    group = Endpoint.parse("239.192.1.3", 2222)
    play = Playbook(ENIP) >> client(send(opens(inputs=MULTICAST)))
    play = play >> server(send(opened(), (T_TO_O, address(group)))) << outputs() << Refuse
    assert play.last == Refuse("G5", "inputs to a group", group)


def test_several_connections_at_once() -> None:
    play = Playbook(ENIP) >> client(send(opens(1)), send(opens(2)))
    play = play >> server(send(opened(2))) << outputs() << inputs()
    assert play >> server(send(opened(1))) << outputs() << inputs()


def test_other_hosts_are_refused() -> None:
    play = Playbook(ENIP) >> client(send(opens(), (T_TO_O, address(OTHER)))) << Refuse
    assert play >> server(send(opened()))
    play = (
        Playbook(ENIP) >> client(send(opens())) >> server(send(opened(), (O_TO_T, address(OTHER))))
    )
    assert play << Refuse << inputs()


@pytest.mark.parametrize(
    "data",
    [
        send(opened(2)),  # another connection
        send(opened(status=1)),
        send(closed()),
        send(opened()[:12]),
        message(send(opened())[24:], status=1),
        message(send(opened())[24:], SEND_UNIT_DATA),
    ],
)
def test_answers_that_open_nothing(data: bytes) -> None:
    assert Playbook(ENIP) >> client(send(opens())) >> server(data)


def test_an_answer_counts_once_and_needs_a_request() -> None:
    assert Playbook(ENIP) >> server(send(opened()))
    play = Playbook(ENIP) >> client(send(opens())) >> server(send(opened()))
    assert play << outputs() << inputs() >> server(send(opened()))


def test_explicit_connections_stay_on_tcp() -> None:
    assert Playbook(ENIP) >> client(send(opens(trigger=0xA3))) >> server(send(opened()))


def test_the_end_of_a_connection() -> None:
    play = Playbook(ENIP) >> client(send(closes())) >> server(send(closed())) << Cancel()
    assert play >> client(send(closes())) >> server(send(closed(status=1)))


def test_long_messages_are_passed_over() -> None:
    play = Playbook(ENIP) >> client(message(bytes(60000)), send(opens()))
    assert play >> server(message(bytes(3000)), send(opened())) << outputs() << inputs()


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: x\r\n", b"\x16\x03" + bytes(30)])
def test_other_bytes_end_the_inspection(data: bytes) -> None:
    assert Playbook(ENIP) >> client(data) << ParseError


@given(st.binary(max_size=19))
def test_stored_state_is_checked(state: bytes) -> None:
    play = Playbook(ENIP)
    try:
        play._parser.restore(state)
    except ParseError:
        return
    assert play._parser.save() == state


def test_in_the_engine_with_masquerading() -> None:
    c = Connection(ENIP, "tcp", "10.0.1.2:40000", "10.0.2.2:44818", seen_client="192.0.2.1:40000")
    c.c(send(opens()))
    c.s(send(opened()))
    assert c.expected == ["10.0.1.2 > 10.0.2.2:2222", "10.0.2.2 > 192.0.2.1:2222"]
    assert c.refused == []
