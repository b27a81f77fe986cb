"""SIP: several dialogs of one call, as a proxy that forks makes them, and offers in provisional responses."""

from __future__ import annotations

import pytest
from sip_messages import (
    ANSWER,
    OFFER,
    A,
    B,
    X,
    again,
    audio,
    between,
    by_client,
    by_server,
    established,
    invite,
    ok,
    request,
    response,
    sdp,
    sip,
    to_client,
    to_server,
    void,
    void_again,
)

from fwhelpers.api import Cancel, Expect
from fwhelpers.testing import Playbook
from fwhelpers.testing.playbook import Message, new_parser

_FIELD = b"To: <sip:b@example.org>"


def tagged(data: bytes, tag: str) -> bytes:
    """Return a message of the caller, or a response to one, with a tag in To."""
    return data.replace(_FIELD, _FIELD + f";tag={tag}".encode())


def bye(tag: str, cseq: int = 2) -> Message:
    return by_client(tagged(request("BYE", cseq=cseq), tag))


def answered(play: Playbook, status: int, tag: str, port: int) -> Playbook:
    """Add a phone's answer with its port, whatever it opens, prolongs and closes."""
    play >> by_server(tagged(response(status, "INVITE", audio(B, port)), tag))
    play._answers.clear()
    return play


def test_a_call_that_two_phones_answer_goes_on_when_one_is_sent_away() -> None:
    play = sip() >> by_client(invite(OFFER)) << to_client(4000)
    answered(answered(play, 200, "x", 6000), 200, "y", 7000)
    assert play >> bye("y")
    # the phone repeats its answer until the ACK arrives
    assert play >> by_server(tagged(ok(audio(B, 7000)), "y"))
    assert play >> bye("x", 3) << void(to_client(4000)) << Cancel << Cancel


def test_a_phone_that_is_sent_away_early_leaves_the_others_ringing() -> None:
    play = sip() >> by_client(invite(OFFER)) << to_client(4000)
    answered(answered(play, 183, "x", 6000), 183, "y", 7000)
    play >> bye("x") >> by_server(tagged(ok(audio(B, 7000)), "y"))
    play << again(to_client(4000)) << to_server(6000) << to_server(7000) << to_server(7000)
    assert play << void(to_server(6000))


def test_the_answer_ends_the_dialogs_of_phones_that_rang() -> None:
    play = sip() >> by_client(invite(OFFER)) << to_client(4000)
    answered(answered(play, 183, "x", 6000), 200, "y", 7000)
    assert play >> bye("y") << void(to_client(4000)) << void_again(to_server(7000))


def test_a_bye_of_the_callee_after_its_own_offer_ends_the_call() -> None:
    """The caller's tag in its answer is no dialog of another phone."""
    play = sip() >> by_client(invite(OFFER)) << to_client(4000)
    answered(play, 200, "y", 6000)
    later = request("INVITE", audio(B, 6000), cseq=9).replace(b";tag=1", b";tag=y")
    play >> by_server(tagged(later, "1")) << Expect
    play >> by_client(tagged(ok(OFFER, cseq=9).replace(b";tag=1", b";tag=y"), "1")) << Expect
    play << Expect
    ending = request("BYE", cseq=10).replace(b";tag=1", b";tag=y")
    assert play >> by_server(tagged(ending, "1")) << Cancel << Cancel


@pytest.mark.parametrize("tags", [("", ""), ("x", ""), ("x", "z")])
def test_a_bye_without_a_known_tag_ends_the_call(tags: tuple[str, str]) -> None:
    play = sip() >> by_client(invite(OFFER)) << to_client(4000)
    answered(play, 200, tags[0], 6000)
    assert play >> bye(tags[1]) << void(to_client(4000)) << void_again(to_server(6000))


def test_the_tag_of_the_address_is_not_that_of_the_dialog() -> None:
    play = sip() >> by_client(invite(OFFER)) << to_client(4000)
    for tag in "x", "y":
        address = f'"a;tag=0" <sip:b;tag=1@example.org>;tag={tag}'.encode()
        play >> by_server(ok(ANSWER).replace(b"<sip:b@example.org>", address))
        play._answers.clear()
    address = b"<sip:b;tag=1@example.org> ; TAG = y"
    assert play >> by_client(request("BYE").replace(b"<sip:b@example.org>", address))


def test_dialogs_are_bounded() -> None:
    parser = new_parser(sip()._helper)
    list(parser.feed(invite(OFFER), False))
    for number in range(1000):
        list(parser.feed(tagged(ok(ANSWER), f"t{number}"), True))
    assert [type(event) for event in parser.feed(tagged(request("BYE"), "t0"), False)] == [
        Cancel
    ] * 2


@pytest.mark.parametrize("mode", ["peer", "announced"])
def test_a_prack_answers_the_offer_of_the_provisional_response(mode: str) -> None:
    """RFC 3262 §5: the hosts of both are paired, and RTCP may share the port."""
    mux, rack = "a=rtcp-mux", "RAck: 776656 1 INVITE"
    play = sip(address=mode) >> by_client(invite())
    host = X if mode == "announced" else B
    play >> by_server(response(183, "INVITE", audio(host, 6000, mux))) << between(A, host, 6000)
    play >> by_client(request("PRACK", audio(A, 4000, mux), cseq=2, extra=rack))
    play << (void if host == X else void_again)(between(A, host, 6001, 1)) << to_client(4000, 1)
    if mode == "announced":
        play << between(X, A, 4000, 1)
    play >> by_server(ok(method="PRACK", cseq=2))
    play >> by_server(ok())
    play._answers.clear()
    play >> by_client(request("BYE", cseq=3)) << Cancel << Cancel
    assert play << Cancel if mode == "announced" else play


@pytest.mark.parametrize(
    "rack", ["", "RAck: 1 1 UPDATE", "RAck: 1 9 INVITE", "RAck: x", "RAck: 1 -1 INVITE"]
)
def test_another_prack_makes_an_offer(rack: str) -> None:
    play = sip() >> by_client(invite()) >> by_server(response(183, "INVITE", ANSWER))
    play << to_server(6000)
    play >> by_client(request("PRACK", OFFER, cseq=2, extra=rack)) << to_client(4000)
    assert (
        play >> by_server(ok(ANSWER, "PRACK", cseq=2)) << again(to_client(4000)) << to_server(6000)
    )


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("method", ["PRACK", "UPDATE"])
def test_an_invite_outlives_the_requests_that_follow_it(method: str, answers: bool) -> None:
    """Each reliable response of each phone that rings has a PRACK, and a phone rings for long."""
    parser = new_parser(sip()._helper)
    list(parser.feed(invite(OFFER), False))
    body = OFFER if method == "UPDATE" else ""
    for cseq in range(2, 40):
        list(parser.feed(request(method, body, cseq), False))
        if answers:
            list(parser.feed(ok(body and ANSWER, method, cseq=cseq), True))
    assert to_server(8000).server in [
        event.server for event in parser.feed(ok(audio(B, 8000)), True) if isinstance(event, Expect)
    ]


def test_an_acknowledgement_after_the_end_opens_nothing() -> None:
    play = established() >> by_client(request("BYE", cseq=2)) << Cancel << Cancel
    assert play >> by_client(request("ACK", audio(A, 5000)))
    # the Call-ID may be used again
    play >> by_client(invite(OFFER, cseq=3)) << to_client(4000)
    assert play >> by_server(ok(ANSWER, cseq=3)) << again(to_client(4000)) << to_server(6000)


def test_all_streams_of_a_conference_are_closed_if_it_fails() -> None:
    """Sixteen streams with RTCP apart, each admitted from two hosts: more than a phone's call has."""
    parser = new_parser(sip()._helper, settings={"streams": 16}, address="announced")
    lines = [f"audio {4000 + 2 * n} RTP/AVP 0|a=rtcp:{5001 + 2 * n}" for n in range(16)]
    opened = list(parser.feed(invite(sdp(A, *lines)), False))
    opened += parser.feed(response(183, "INVITE", sdp(X, *lines)), True)
    ends = {(e.client.addr, *e.server) for e in opened if isinstance(e, Expect)}
    voided = [e.want for e in parser.feed(response(486, "INVITE"), True) if isinstance(e, Cancel)]
    assert {(want.client.addr, *want.server) for want in voided if want} == ends
    assert len(ends) == 96
