"""What real programs do, each as a rule: asterisk, baresip, kamailio, linphone, PJSIP, sipp."""

from __future__ import annotations

from pathlib import Path

import pytest
from packets import udp4
from sip_messages import (
    ANSWER,
    OFFER,
    SIP,
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
from test_sip_signalling import accepted, at_via, register, registered

from fwhelpers.api import Expect
from fwhelpers.engine.guard import Limits
from fwhelpers.testing import pcap
from fwhelpers.testing.playbook import CLIENT, settings_of
from fwhelpers.testing.replay import replay_file


def test_rule_1_the_offer_opens_the_callers_ports() -> None:
    """baresip and PJSIP send RTCP as callees before they answer."""
    assert sip() >> by_client(invite(OFFER)) << to_client(4000)


def test_rule_2_the_source_may_be_another_host_where_the_configuration_says_so() -> None:
    assert sip(address="any-src") >> by_client(invite(OFFER)) << to_client(4000, sources="any")


def test_rule_3_the_wider_expectation_stays_when_another_host_is_named() -> None:
    """Asterisk's direct media: the other phone sends before or after the message that names it."""
    play = established(sip(address="announced"))
    assert (
        play
        >> by_server(request("UPDATE", audio(X, 6000), cseq=5))
        << between(A, X, 6000)
        << again(between(X, A, 4000))
        >> by_client(ok(OFFER, "UPDATE", cseq=5))
        << between(A, X, 6000)
        << between(X, A, 4000)
        << to_client(4000)
        << between(X, A, 4000)
        << void_again(to_server(6000))
    )


def test_rule_3_a_refused_offer_withdraws_the_host_that_it_named() -> None:
    play = established(sip(address="announced"))
    play >> by_server(request("UPDATE", audio(X, 6000), cseq=5))
    play << between(A, X, 6000) << again(between(X, A, 4000))
    play >> by_client(response(491, "UPDATE", cseq=5))
    assert play << void(between(A, X, 6000)) << void(between(X, A, 4000))


@pytest.mark.parametrize("offer", [audio(B, 8000), sdp(X, "video 6000 RTP/AVP 31"), audio(X, 0)])
def test_rule_3_no_other_host_or_stream_is_admitted_before_the_answer(offer: str) -> None:
    parser = established(sip(address="announced"))._parser
    events = parser.feed(request("UPDATE", offer, cseq=5), True)
    opened = [event.server for event in events if isinstance(event, Expect)]
    assert CLIENT[4].addr not in [end.addr for end in opened]


def test_rule_4_rtcp_elsewhere() -> None:
    """linphone: an unrelated port, without an address. The next port stays closed."""
    rtcp = {"trigger": "audio RTCP", "count": 1}
    play = sip() >> by_client(invite(audio(A, 44378, "a=rtcp:39093")))
    assert play << to_client(44378, 1) << to_client(39093, **rtcp)
    play = sip() >> by_client(invite(audio(A, 4000, f"a=rtcp:4001 IN IP4 {A}")))
    assert play << to_client(4000, 1) << to_client(4001, **rtcp)
    assert sip() >> by_client(invite(audio(A, 4000, "a=rtcp:4000"))) << to_client(4000, 1)


def test_rule_4_the_answer_decides_about_rtcp_mux() -> None:
    """PJSIP offers a=rtcp and rtcp-mux at once."""
    rtcp = to_client(4005, 1, trigger="audio RTCP")
    offer = audio(A, 4003, "a=rtcp:4005", "a=rtcp-mux")
    play = sip() >> by_client(invite(offer)) << to_client(4003, 1) << rtcp
    assert (
        play
        >> by_server(ok(audio(B, 6000, "a=rtcp-mux")))
        << again(to_client(4003, 1))
        << again(rtcp)
        << void_again(rtcp)
        << to_server(6000, 1)
    )
    play = sip() >> by_client(invite(offer)) << to_client(4003, 1) << rtcp
    play = play >> by_server(ok(ANSWER)) << again(to_client(4003, 1)) << again(rtcp)
    assert play << to_server(6000)


def test_rule_4_rtcp_mux_without_another_port() -> None:
    offer = audio(A, 4000, "a=rtcp-mux")
    play = sip() >> by_client(invite(offer)) << to_client(4000)
    play = play >> by_server(response(183, "INVITE", audio(B, 6000, "a=rtcp-mux")))
    play = play << void_again(to_client(4001, 1)) << to_server(6000, 1)
    assert (
        play
        >> by_client(request("BYE", cseq=2))
        << void(to_client(4000, 1))
        << void_again(to_server(6000, 1))
    )


def test_rule_5_odd_ports() -> None:
    assert sip() >> by_client(invite(audio(A, 44379))) << to_client(44379)


def test_rule_6_an_update_after_every_200() -> None:
    """PJSIP locks the codec by an UPDATE: two rounds of offer and answer in each call."""
    play = established() >> by_client(request("UPDATE", OFFER, cseq=2)) << to_client(4000)
    play = play >> by_server(ok(ANSWER, "UPDATE", cseq=2)) << again(to_client(4000))
    assert play << to_server(6000)


def test_rule_6_a_491_leaves_the_old_state() -> None:
    play = established() >> by_client(invite(audio(A, 5000), cseq=2)) << to_client(5000)
    play = play >> by_server(request("UPDATE", audio(B, 7000), cseq=9)) << to_server(7000)
    play = play >> by_server(response(491, "INVITE", cseq=2)) << void_again(to_client(5000))
    play = play >> by_client(response(491, "UPDATE", cseq=9)) << void_again(to_server(7000))
    play = play >> by_client(request("BYE", cseq=3))
    assert play << void(to_client(4000)) << void_again(to_server(6000))


def test_rule_7_a_public_address_of_the_phone_s_own() -> None:
    """PJSIP and linphone write the address that the registrar reported."""
    reported = f"SIP/2.0/UDP {A}:40000;rport=1024;received={X}"
    play = sip() >> by_client(register(f"<sip:a@{A}:40000>"))
    play = play >> by_server(
        accepted().replace(b"SIP/2.0/UDP", reported.encode() + b",SIP/2.0/UDP")
    )
    play = play >> by_client(register(f"<sip:a@{X}:1024>", cseq=2)) >> by_server(accepted(cseq=2))
    # media that STUN has found a public address for are the phone's own affair
    assert play >> by_client(invite(audio(X, 4000)))


def test_rule_8_a_contact_at_the_packet_s_source_port_needs_nothing() -> None:
    contact = f"<sip:a@{A}:{CLIENT[4].port}>"
    assert sip() >> by_client(register(contact)) >> by_server(accepted())
    over_tcp = f"<sip:a@{A}:{CLIENT[4].port};transport=tcp>"
    assert sip("tcp") >> by_client(register(over_tcp)) >> by_server(accepted())


def test_rule_8_a_listening_port_over_tcp() -> None:
    """baresip registers it, and Kamailio connects to it."""
    contact = f"<sip:a@{A}:40783;transport=tcp>"
    play = sip("tcp") >> by_client(register(contact)) >> by_server(accepted())
    assert play << registered(40783, 600, "tcp")


def test_rule_9_the_port_of_a_via_without_rport() -> None:
    play = sip() >> by_client(request("OPTIONS", via=f"SIP/2.0/UDP {A}"))
    assert play << at_via(5060)


def test_rule_10_another_call_on_the_connection_changes_nothing() -> None:
    """The kernel's helper removes the first call's media."""
    play = sip() >> by_client(invite(OFFER)) << to_client(4000)
    play = play >> by_client(invite(audio(A, 5000), call="call-2")) << to_client(5000)
    play = play >> by_server(response(486, "INVITE", call="call-2")) << void_again(to_client(5000))
    assert play >> by_server(ok(ANSWER)) << again(to_client(4000)) << to_server(6000)


def test_rule_11_streams_are_reassembled() -> None:
    text = invite(OFFER)
    play = sip("tcp") >> by_client(b"\r\n\r\n" + text[:300]) >> by_client(text[300:])
    assert play << to_client(4000)


def test_rule_12_calls_to_a_registered_port_are_inspected() -> None:
    assert registered(5066, 600).child


def test_rule_13_fax() -> None:
    """The port of the image is unrelated to the audio's, and audio may come back at a new one."""
    image = {"policy": "other", "trigger": "image", "count": 1}
    play = established()
    fax = sdp(B, "image 4710 udptl t38")
    play = (
        play
        >> by_server(invite(fax, cseq=9))
        << to_server(4710, **image)
        >> by_client(ok(sdp(A, "image 4720 udptl t38"), cseq=9))
        << again(to_server(4710, **image))
        << to_client(4720, **image)
        << void(to_client(4000))
        << void_again(to_server(6000))
    )
    assert (
        play
        >> by_server(invite(ANSWER, cseq=10))
        << to_server(6000)
        >> by_client(ok(audio(A, 4444), cseq=10))
        << again(to_server(6000))
        << to_client(4444)
        << void(to_client(4720, **image))
        << void_again(to_server(4710, **image))
    )


@pytest.mark.parametrize("first", [b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12), b"\x80\0" + bytes(10)])
def test_rule_22_the_first_packet_decides_whatever_it_holds(first: bytes, tmp_path: Path) -> None:
    """linphone sends STUN on the media's ports before RTP, which ends the decoding of an oracle such as tshark 4.0."""
    signalling, medium = (40000, 5060), (6000, 4000)
    packets = [
        udp4(invite(OFFER), A, B, signalling),
        udp4(ok(ANSWER), B, A, signalling[::-1]),
        udp4(first, B, A, medium),
        udp4(b"\x80\0" + bytes(10), B, A, medium),
    ]
    path = tmp_path / "call.pcap"
    pcap.write(path, ((number * 0.1, packet) for number, packet in enumerate(packets)))
    limits = Limits(rate=10_000)
    results = list(replay_file(path, {"sip": SIP}, {"sip": settings_of(SIP, {})}, {"sip": limits}))
    used = {item["expected"]["dport"]: item["data"] for item in results}
    assert used == {4000: 3, 4001: None, 6000: None, 6001: None}
