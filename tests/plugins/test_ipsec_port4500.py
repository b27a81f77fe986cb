"""IKE on udp/4500: the marker before its messages, and ESP in UDP, which ends the inspection."""

from __future__ import annotations

from dataclasses import replace

import pytest
from connection import Connection
from fwhelpers_plugins.ipsec import MAX_ENCAPSULATED, NAT_T_PORT
from hypothesis import given
from hypothesis import strategies as st
from ipsec_messages import INFO, IPSEC, answer, esp, ikev1, request

from fwhelpers.api import Cancel, Done
from fwhelpers.engine.inspector import Active
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check, check_restart
from fwhelpers.testing.playbook import Message, settings_of

MOVED = replace(IPSEC, ports=[NAT_T_PORT])
MARKER = bytes(4)
ESP_IN_UDP = bytes.fromhex("c0ffee01 00000001") + bytes(64)
KEEP_ALIVE = b"\xff"

messages = st.sampled_from(
    [request(), answer(), request(INFO, 2, 76), answer(INFO, 2, 76), ikev1(), ikev1(size=52)]
)
datagrams = st.one_of(
    messages.map(MARKER.__add__),
    messages,
    st.sampled_from([KEEP_ALIVE, ESP_IN_UDP, MARKER, b""]),
    st.binary(max_size=40),
)
scripts = st.lists(st.builds(Message, datagrams, st.booleans()), max_size=40)


def negotiated() -> Playbook:
    play = Playbook(MOVED) >> client(MARKER, request()) >> server(MARKER, answer())
    first, second = esp(play, True, "IKE_AUTH")
    return play << first << second


@given(scripts)
def test_fuzz(script: list[Message]) -> None:
    assert "ParseError" not in check(MOVED, script)
    check_restart(MOVED, script)


def test_a_negotiation_after_the_marker_opens_esp() -> None:
    assert negotiated()
    play = Playbook(MOVED) >> client(MARKER, ikev1()) >> server(MARKER, ikev1())
    play = play >> client(MARKER, ikev1(size=52))
    first, second = esp(play, False, "Quick Mode")
    assert play << first << second


def test_keep_alives_after_the_marker_renew() -> None:
    play = negotiated() >> client(KEEP_ALIVE) >> server(KEEP_ALIVE)
    play = play >> client(MARKER, request(INFO, 2, 76)) >> server(MARKER, answer(INFO, 2, 76))
    first, second = esp(play, True, "INFORMATIONAL")
    assert play << first << second


def test_the_marker_belongs_to_the_port() -> None:
    assert Playbook(MOVED) >> client(request()) >> server(answer())
    assert Playbook(IPSEC) >> client(MARKER, request()) >> server(MARKER, answer())


def test_esp_in_udp_ends_the_inspection() -> None:
    play = negotiated()
    for number in range(MAX_ENCAPSULATED - 1):
        play = play >> Message(ESP_IN_UDP, bool(number % 2))
    assert play.restart() >> client(ESP_IN_UDP) << Cancel() << Done("ESP is in UDP")


@pytest.mark.parametrize("data", [KEEP_ALIVE, b"", b"\1\2\3\4\0\0\0", MARKER, MARKER + b"x" * 60])
def test_what_is_no_esp_in_udp(data: bytes) -> None:
    play = negotiated()
    for _ in range(MAX_ENCAPSULATED + 1):
        play = play >> client(data)
    assert play


def test_in_the_engine_the_ports_of_both_ends_do_not_matter() -> None:
    active = Active(IPSEC, settings_of(IPSEC, {}))
    c = Connection(IPSEC, "udp", "10.0.1.2:4500", "10.0.2.2:4500", active=active)
    c.c(MARKER + request())
    c.s(MARKER + answer())
    assert c.expected == ["10.0.1.2 > 10.0.2.2:0", "10.0.2.2 > 10.0.1.2:0"]
    for _ in range(MAX_ENCAPSULATED):
        c.c(ESP_IN_UDP)
    assert sorted(c.maker.deleted) == sorted(e.tuple for e in c.maker.created)
