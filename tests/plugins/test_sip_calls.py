"""Offers, answers, and the end of what they open."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.sip.calls import MAX_ENDED
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

from fwhelpers.api import Refuse


def test_a_call() -> None:
    play = established()
    assert (
        play
        >> by_server(request("BYE", cseq=7))
        << void_again(to_client(4000))
        << void(to_server(6000))
        >> by_client(response(200, "BYE", cseq=7))
    )


def test_an_incoming_call() -> None:
    assert (
        sip()
        >> by_server(invite(audio(B, 6000)))
        << to_server(6000)
        >> by_client(response(100, "INVITE"))
        >> by_client(response(180, "INVITE"))
        >> by_client(ok(audio(A, 4000)))
        << again(to_server(6000))
        << to_client(4000)
    )


def test_retransmissions_announce_the_same() -> None:
    play = sip() >> by_client(invite(OFFER)) << to_client(4000)
    assert play >> by_client(invite(OFFER)) << to_client(4000)
    answer = by_server(ok(ANSWER))
    play = play >> answer << again(to_client(4000)) << to_server(6000)
    assert play >> answer << to_server(6000)


def test_a_repeated_answer_of_a_call_that_has_ended_is_no_refusal() -> None:
    play = (
        established()
        >> by_server(request("BYE", cseq=7))
        << void_again(to_client(4000))
        << void(to_server(6000))
    )
    assert play >> by_server(ok(ANSWER)) >> by_client(ok(ANSWER))
    assert play >> by_server(ok(ANSWER, call="call-2")) << Refuse


def test_the_remembered_ended_calls_are_bounded() -> None:
    play = sip()
    for number in range(MAX_ENDED + 1):
        call = f"call-{number}"
        play = (
            play
            >> by_client(invite(OFFER, call=call))
            << to_client(4000)
            >> by_client(request("BYE", cseq=2, call=call))
            << void(to_client(4000))
        )
    assert play >> by_server(ok(ANSWER, call="call-0")) << Refuse
    assert play >> by_server(ok(ANSWER, call="call-1"))


def test_a_long_ringing_keeps_the_offer_open() -> None:
    ringing = by_server(response(180, "INVITE"))
    play = sip() >> by_client(invite(OFFER)) << to_client(4000) >> ringing
    assert play >> ringing << again(to_client(4000)) >> ringing << again(to_client(4000))


def test_early_media() -> None:
    assert (
        sip()
        >> by_client(invite(OFFER))
        << to_client(4000)
        >> by_server(response(183, "INVITE", ANSWER))
        << to_server(6000)
        >> by_server(ok())
        << again(to_client(4000))
        << to_server(6000)
    )


def test_a_forked_call_keeps_the_answer_that_counts() -> None:
    play = (
        sip()
        >> by_client(invite(OFFER))
        << to_client(4000)
        >> by_server(response(183, "INVITE", ANSWER))
        << to_server(6000)
        >> by_server(response(183, "INVITE", audio(B, 7000)))
        << again(to_client(4000))
        << to_server(6000)
        << to_server(7000)
        >> by_server(ok(audio(B, 7000)))
        << again(to_client(4000))
        << to_server(6000)
        << to_server(7000)
        << to_server(7000)
        << void(to_server(6000))
    )
    assert play


@pytest.mark.parametrize("status", [302, 401, 404, 486, 487, 503, 603])
def test_a_failed_call_leaves_nothing(status: int) -> None:
    play = sip() >> by_client(invite(OFFER)) << to_client(4000)
    assert play >> by_server(response(status, "INVITE")) << void_again(to_client(4000))


def test_a_challenged_call_is_tried_again() -> None:
    assert (
        sip()
        >> by_client(invite(OFFER))
        << to_client(4000)
        >> by_server(response(407, "INVITE"))
        << void_again(to_client(4000))
        >> by_client(request("ACK"))
        >> by_client(invite(OFFER, cseq=2))
        << to_client(4000)
        >> by_server(ok(ANSWER, cseq=2))
        << again(to_client(4000))
        << to_server(6000)
    )


def test_a_cancelled_call_leaves_nothing() -> None:
    assert (
        sip()
        >> by_client(invite(OFFER))
        << to_client(4000)
        >> by_client(request("CANCEL"))
        << void(to_client(4000))
        >> by_server(response(200, "CANCEL"))
        >> by_server(response(487, "INVITE"))
    )


def test_a_cancel_that_comes_too_late() -> None:
    assert (
        sip()
        >> by_client(invite(OFFER))
        << to_client(4000)
        >> by_client(request("CANCEL"))
        << void(to_client(4000))
        >> by_server(ok(ANSWER))
        << to_server(6000)
        << again(to_client(4000))
    )


def test_an_offer_in_the_response_is_answered_in_the_ack() -> None:
    assert (
        sip()
        >> by_client(invite())
        >> by_server(ok(ANSWER))
        << to_server(6000)
        >> by_client(request("ACK", OFFER))
        << to_client(4000)
    )


def test_a_reliable_provisional_response_and_its_prack() -> None:
    assert (
        sip()
        >> by_client(invite())
        >> by_server(response(183, "INVITE", ANSWER))
        << to_server(6000)
        >> by_client(request("PRACK", OFFER, cseq=2))
        << to_client(4000)
        >> by_server(ok(method="PRACK", cseq=2))
        << again(to_client(4000))
        >> by_server(ok())
        << to_server(6000)
    )


def test_a_later_offer_drops_a_stream() -> None:
    both = sdp(A, "audio 4000 RTP/AVP 0", "video 4002 RTP/AVP 31")
    video = {"policy": "video", "trigger": "video"}
    play = (
        sip()
        >> by_client(invite(both))
        << to_client(4000)
        << to_client(4002, **video)
        >> by_server(ok(sdp(B, "audio 6000 RTP/AVP 0", "video 6002 RTP/AVP 31")))
        << again(to_client(4000))
        << again(to_client(4002, **video))
        << to_server(6000)
        << to_server(6002, **video)
    )
    without = sdp(A, "audio 4000 RTP/AVP 0", "video 0 RTP/AVP 31")
    assert (
        play
        >> by_client(invite(without, cseq=2))
        << to_client(4000)
        >> by_server(ok(sdp(B, "audio 6000 RTP/AVP 0", "video 0 RTP/AVP 31"), cseq=2))
        << again(to_client(4000))
        << to_server(6000)
        << void_again(to_client(4002, **video))
        << void(to_server(6002, **video))
    )


def test_a_hold_and_its_end() -> None:
    play = established()
    held, resumed = audio(A, 4000, "a=sendonly"), audio(A, 4000)
    assert (
        play
        >> by_client(invite(held, cseq=2))
        << to_client(4000)
        >> by_server(ok(audio(B, 6000, "a=recvonly"), cseq=2))
        << again(to_client(4000))
        << to_server(6000)
        >> by_client(invite(resumed, cseq=3))
        << to_client(4000)
    )


def test_a_hold_by_an_unspecified_address() -> None:
    held = audio("0.0.0.0", 4000)
    play = established() >> by_client(invite(held, cseq=2))
    assert play >> by_server(ok(ANSWER, cseq=2)) << to_server(6000) << void_again(to_client(4000))


def test_an_unanswered_update_voids_what_it_opened() -> None:
    play = established() >> by_server(request("UPDATE", audio(B, 7000), cseq=9)) << to_server(7000)
    assert play >> by_client(response(488, "UPDATE", cseq=9)) << void_again(to_server(7000))


def test_an_update_in_the_midst_of_ringing_is_in_force_when_the_call_is_answered() -> None:
    play = (
        sip()
        >> by_client(invite(OFFER))
        << to_client(4000)
        >> by_server(response(183, "INVITE", ANSWER))
        << to_server(6000)
        >> by_client(request("UPDATE", audio(A, 4444), cseq=2))
        << to_client(4444)
        >> by_server(ok(ANSWER, "UPDATE", cseq=2))
        << again(to_client(4444))
        << to_server(6000)
        << void_again(to_client(4000))
    )
    assert play >> by_server(ok())


def test_tcp_streams_are_opened_at_the_passive_end() -> None:
    tcp = {"l4": "tcp", "policy": "other", "trigger": "message", "count": 1}
    msrp = "message 7394 TCP/MSRP *"
    assert (
        sip()
        >> by_client(invite(sdp(A, f"{msrp}|a=setup:actpass")))
        << to_client(7394, **tcp)
        >> by_server(ok(sdp(B, "message 9 TCP/MSRP *|a=setup:active")))
        << again(to_client(7394, **tcp))
    )
    assert (
        sip()
        >> by_client(invite(sdp(A, msrp)))
        >> by_server(ok(sdp(B, "message 7400 TCP/MSRP *")))
        << to_server(7400, **tcp)
    )
    existing = f"{msrp}|a=setup:passive|a=connection:existing"
    assert sip() >> by_client(invite(sdp(A, existing)))


def test_port_pairs() -> None:
    assert sip() >> by_client(invite(sdp(A, "audio 4000/4 RTP/AVP 0"))) << to_client(4000, 8)
    play = sip() >> by_client(invite(sdp(A, "audio 4000/5 RTP/AVP 0"))) << Refuse
    assert play


def test_more_streams_than_a_call_has() -> None:
    lines = [f"audio {4000 + 2 * index} RTP/AVP 0" for index in range(6)]
    play = sip() >> by_client(invite(sdp(A, *lines))) << Refuse << Refuse
    assert play << to_client(4000) << to_client(4002) << to_client(4004) << to_client(4006)
    play = sip(streams=6) >> by_client(invite(sdp(A, *lines)))
    for index in range(6):
        play = play << to_client(4000 + 2 * index)
    assert play


def test_another_host_is_refused_by_default() -> None:
    play = sip() >> by_client(invite(audio(X, 4000))) << Refuse
    assert isinstance(play.last, Refuse)
    assert play.last.rule == "G5"


def test_announced_hosts() -> None:
    play = (
        sip(address="announced")
        >> by_client(invite(OFFER))
        << to_client(4000)
        >> by_server(ok(audio(X, 6000)))
        << again(to_client(4000))
        << between(A, X, 6000)
        << again(between(X, A, 4000))
    )
    assert (
        play
        >> by_client(request("BYE", cseq=2))
        << void(to_client(4000))
        << void(between(X, A, 4000))
        << void(between(A, X, 6000))
    )


def test_any_source() -> None:
    any_source = to_client(4000, sources="any")
    assert (
        sip(address="any-src")
        >> by_client(invite(OFFER))
        << any_source
        >> by_server(ok(audio(X, 6000)))
        << again(any_source)
        << between(A, X, 6000, sources="any")
    )


def test_a_description_in_other_messages_does_not_count() -> None:
    for method in ("OPTIONS", "MESSAGE", "INFO", "SUBSCRIBE", "REGISTER"):
        assert sip() >> by_client(request(method, OFFER)) >> by_server(ok(ANSWER, method))
