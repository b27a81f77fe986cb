"""Another worker knows the request that waits for its answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sip_messages import (
    ANSWER,
    OFFER,
    SIP,
    A,
    again,
    by_client,
    by_server,
    invite,
    ok,
    request,
    response,
    sip,
    to_client,
    to_server,
)
from test_sip_signalling import accepted, register, registered

from fwhelpers.api import ParseError, Refuse
from fwhelpers.testing.playbook import flow_of, new_parser


@pytest.mark.parametrize("l4", ["udp", "tcp"])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "PRACK"])
def test_the_answer_to_an_offer(l4: str, method: str) -> None:
    via = f"SIP/2.0/TCP {A}"
    play = sip(l4) >> by_client(request(method, OFFER, via=via + ";rport")) << to_client(4000)
    play = play.restart() >> by_server(ok(ANSWER, method, via=via)) << to_server(6000)
    assert play


def test_an_offer_in_the_response() -> None:
    play = sip() >> by_client(invite())
    play = play.restart() >> by_server(ok(ANSWER)) << to_server(6000)
    assert play >> by_client(request("ACK", OFFER)) << to_client(4000)


@pytest.mark.parametrize("answered", [True, False])
def test_an_invite_counts_before_the_requests_within_it(answered: bool) -> None:
    play = sip() >> by_client(invite(OFFER)) << to_client(4000)
    play >> by_server(response(183, "INVITE")) >> by_client(request("PRACK", cseq=2))
    if answered:
        play >> by_server(ok(method="PRACK", cseq=2))
    assert play.restart() >> by_server(ok(ANSWER)) << to_server(6000)


def test_a_provisional_response_before_and_after() -> None:
    ringing = by_server(response(183, "INVITE", ANSWER))
    play = sip() >> by_client(invite(OFFER)) << to_client(4000) >> ringing << to_server(6000)
    assert play.restart() >> ringing << to_server(6000)


@pytest.mark.parametrize(
    ("contact", "extra", "port", "l4", "lifetime"),
    [
        (f"<sip:a@{A}:5066>", "Expires: 600", 5066, "udp", 600),
        (f"<sip:a@{A}:5066;transport=tcp>", "", 5066, "tcp", 3600),
        (f"<sip:a@{A}:5066>;expires=99999", "", 5066, "udp", 7200),
    ],
)
def test_the_answer_to_a_register(
    contact: str, extra: str, port: int, l4: str, lifetime: int
) -> None:
    play = sip() >> by_client(register(contact, extra=extra))
    assert play.restart() >> by_server(accepted()) << registered(port, lifetime, l4)


def test_answers_that_nobody_awaits_are_refused_after_a_restart_too() -> None:
    play = sip() >> by_client(invite(OFFER)) << to_client(4000)
    play = play.restart() >> by_server(ok(ANSWER, cseq=2)) << Refuse
    play = play.restart() >> by_server(ok(ANSWER, call="another")) << Refuse
    play = play.restart() >> by_server(response(486, "INVITE"))
    assert play.restart() >> by_server(ok(ANSWER)) << Refuse


def test_an_answered_request_is_not_stored() -> None:
    play = sip() >> by_client(invite(OFFER)) << to_client(4000)
    play = play >> by_server(ok(ANSWER)) << again(to_client(4000)) << to_server(6000)
    assert play._parser.save() == b""


@given(st.binary(max_size=20))
def test_any_stored_state(state: bytes) -> None:
    for l4 in ("udp", "tcp"):
        parser = new_parser(SIP, flow_of(SIP, l4))
        try:
            parser.restore(state)
        except ParseError:
            continue
        assert len(parser.save()) <= parser.STATE_MAX
