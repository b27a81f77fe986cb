"""RTSP as playbooks. The numbers of rules are those of what real programs do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fwhelpers_plugins.rtsp import fwhelpers_helpers
from rtsp_messages import frame, request, response

from fwhelpers.api import Cancel, Done, Endpoint, Expect, ParseError, Refuse, Rewrite
from fwhelpers.testing.playbook import Playbook, client, new_parser, server

(RTSP,) = fwhelpers_helpers()
PAIR = "RTP/AVP;unicast;client_port=5000-5001"
ANSWER = f"{PAIR};server_port=6970-6971"


def play(address: str = "peer") -> Playbook:
    return Playbook(RTSP, address=address)


def to_client(play: Playbook, port: int, count: int = 2, confirmed: bool = False) -> Expect:
    return Expect(
        play.server,
        play.client.at(port),
        "udp",
        "media",
        count=count,
        confirms_peer=confirmed,
        trigger="client_port",
        timeout=60,
    )


def to_server(play: Playbook, port: int, count: int = 2) -> Expect:
    return Expect(
        play.client,
        play.server.at(port),
        "udp",
        "server",
        count=count,
        trigger="server_port",
        timeout=60,
    )


def set_up(transport: str = PAIR, answer: str = ANSWER) -> Playbook:
    """Return a conversation after a SETUP over UDP."""
    new = play()
    new >> client(request("SETUP", 1, transport)) << to_client(new, 5000)
    new >> server(response(200, 1, answer, "1")) << Rewrite << to_client(new, 5000, confirmed=True)
    return new << to_server(new, 6970)


def test_rule_15_both_directions_are_expected() -> None:
    assert set_up()


def test_the_ports_are_open_before_the_response() -> None:
    new = play()
    assert new >> client(request("SETUP", 1, PAIR)) << to_client(new, 5000)


def test_rule_14_a_pair_is_two_single_ports_in_any_order() -> None:
    new = play()
    transport = "RTP/AVP;unicast;client_port=5004-5001"
    assert (
        new
        >> client(request("SETUP", 1, transport))
        << to_client(new, 5004, 1)
        << to_client(new, 5001, 1)
    )


def test_rule_14_the_response_moves_rtcp_next_to_rtp() -> None:
    new = play()
    new >> client(request("SETUP", 1, "RTP/AVP;unicast;client_port=5000-5004"))
    new << to_client(new, 5000, 1) << to_client(new, 5004, 1)
    new >> server(
        response(200, 1, "RTP/AVP/UDP;unicast;client_port=5000-5001;server_port=7001-7002")
    )
    new << Rewrite << to_client(new, 5000, 1, True) << to_client(new, 5004, 1, True)
    assert new << to_client(new, 5001, 1, True) << to_server(new, 7001)


def test_rule_14_port_zero_is_ignored() -> None:
    new = play()
    assert new >> client(request("SETUP", 1, "RTP/AVP;unicast;client_port=0-0"))


def test_rule_14_a_single_port_of_rtp_brings_the_next_one() -> None:
    new = play() >> client(request("SETUP", 1, "RTP/AVP;unicast;client_port=5000"))
    new << to_client(new, 5000)
    new >> server(response(200, 1, "RTP/AVP;unicast;client_port=5000;server_port=6970"))
    assert new << Rewrite << to_client(new, 5000, confirmed=True) << to_server(new, 6970)
    for transport in "MP2T/H2221/UDP;unicast;client_port=5000", "RTP/AVP;client_port=65535":
        new = play() >> client(request("SETUP", 1, transport)) << Expect
        assert isinstance(new.last, Expect)
        assert new.last.count == 1


def test_rule_19_the_first_request_is_a_setup_with_a_url_of_another_host() -> None:
    """VLC's module for SAT>IP, and servers behind NAT. The session's name has the characters of RFC 2326 §3.4."""
    name = "A.b+c-d_9"
    new = play() >> client(
        request("SETUP", 1, PAIR).replace(b"rtsp://10.0.2.2", b"rtsp://192.168.9.9")
    )
    new << to_client(new, 5000)
    new >> server(response(200, 1, ANSWER, f"{name} ; timeout=60"))
    new << Rewrite << to_client(new, 5000, confirmed=True) << to_server(new, 6970)
    new >> client(request("TEARDOWN", 2, session=name))
    assert new >> server(response(200, 2)) << Cancel << Cancel


@pytest.mark.parametrize(
    ("asked", "answered", "rule"),
    [
        ("RTP/AVP;multicast", "RTP/AVP;multicast;destination=239.1.1.1;port=5000-5001", "G5"),
        (f"{PAIR};destination=10.0.9.9", "", "G5"),
        (
            ",".join(f"RTP/AVP;client_port={port}-{port + 5}" for port in range(5000, 5090, 10)),
            "",
            "G9",
        ),
    ],
)
def test_rule_21_what_is_not_opened_is_reported(asked: str, answered: str, rule: str) -> None:
    """ffmpeg waits for ever, and rtspsrc goes to TCP without a word."""
    parser = new_parser(RTSP)
    events = list(parser.feed(request("SETUP", 1, asked), False))
    events += parser.feed(response(200, 1, answered), True)
    assert {event.rule for event in events if isinstance(event, Refuse)} == {rule}


def test_rule_17_461_and_a_second_setup() -> None:
    new = play()
    new >> client(request("SETUP", 1, PAIR)) << to_client(new, 5000)
    new >> server(response(461, 1)) << Cancel(want=to_client(new, 5000, confirmed=True))
    new >> client(request("SETUP", 2, "RTP/AVP/TCP;unicast;interleaved=0-1"))
    assert new >> server(response(200, 2, "RTP/AVP/TCP;unicast;interleaved=0-1", "1"))


def test_alternatives_that_name_the_same_ports_open_them_once() -> None:
    new = play()
    transport = f'RTP/AVP/UDP;unicast;client_port=5000-5001;mode="PLAY,RECORD",{PAIR}'
    assert new >> client(request("SETUP", 1, transport)) << to_client(new, 5000) << Rewrite


def test_rule_16_play_renews_what_is_open() -> None:
    new = set_up() >> client(request("PLAY", 2, session="1"))
    new >> server(response(200, 2, session="1")) << to_client(new, 5000, confirmed=True)
    assert new << to_server(new, 6970)


def test_teardown_closes_what_was_not_used() -> None:
    new = set_up() >> client(request("TEARDOWN", 2, session="1"))
    new >> server(response(200, 2)) << Cancel(want=to_client(new, 5000, confirmed=True))
    assert new << Cancel(want=to_server(new, 6970))


def test_teardown_of_one_of_two_streams() -> None:
    new = play()
    for stream, port in enumerate((5000, 5002), 1):
        url = b"/a/%d RTSP" % stream
        pair = f"RTP/AVP;unicast;client_port={port}-{port + 1}"
        new >> client(request("SETUP", stream, pair, "1" * (stream > 1)).replace(b"/a RTSP", url))
        new << Expect
        new >> server(response(200, stream, pair, "1")) << Rewrite << Expect
    new >> client(request("TEARDOWN", 3, session="1").replace(b"/a RTSP", b"/a/1 RTSP"))
    new >> server(response(200, 3)) << Cancel(want=to_client(new, 5000, confirmed=True))
    new >> client(request("TEARDOWN", 4, session="1"))
    assert new >> server(response(200, 4)) << Cancel(want=to_client(new, 5002, confirmed=True))


def test_pipelined_requests_do_not_know_the_session() -> None:
    """RFC 7826 §18.33: the requests come before the response that names the session."""
    new = play()
    new >> client(request("SETUP", 1, PAIR), request("PLAY", 2)) << to_client(new, 5000)
    new >> server(response(200, 1, PAIR, "1")) << Rewrite << to_client(new, 5000, confirmed=True)
    assert new >> server(response(200, 2, session="1")) << to_client(new, 5000, confirmed=True)


def test_a_session_that_the_server_has_lost_is_closed() -> None:
    new = set_up() >> client(request("PLAY", 2, session="1")) >> server(response(454, 2))
    assert new << Cancel(want=to_client(new, 5000, confirmed=True)) << Cancel
    new = set_up() >> client(request("PLAY", 2, session="7"))
    assert new >> server(response(454, 2))


def test_alternatives_that_the_server_does_not_choose_are_closed() -> None:
    new = play() >> client(request("SETUP", 1, f"RTP/AVP;client_port=5010-5011,{PAIR}"))
    new << to_client(new, 5010) << to_client(new, 5000)
    new >> server(response(200, 1, PAIR, "1")) << Rewrite << to_client(new, 5000, confirmed=True)
    assert new << Cancel(want=to_client(new, 5010, confirmed=True))


def test_a_list_of_transports_in_several_lines() -> None:
    """RFC 2326 §4.2: they are one list."""
    lines = b"Transport: RTP/AVP/TCP;interleaved=0-1\r\nTransport: "
    both = request("SETUP", 1, PAIR).replace(b"Transport: ", lines)
    new = play() >> client(both)
    assert new << to_client(new, 5000)


def test_any_token_is_a_method() -> None:
    new = play() >> client(request("x-Vendor.Ping")) >> client(request("SETUP", 2, PAIR))
    assert new << to_client(new, 5000)


def test_a_worker_that_knows_no_setup_does_not_take_a_session_for_interleaved() -> None:
    new = play() >> client(request("PLAY", 1, session="1")) >> server(response(200, 1))
    assert new >> client(request("SETUP", 2, PAIR)) << to_client(new, 5000)


@pytest.mark.parametrize(("session", "closed"), [("2", 0), ("", 2)])
def test_teardown_of_another_session_or_of_all(session: str, closed: int) -> None:
    new = set_up() >> client(request("TEARDOWN", 2, session=session)) >> server(response(200, 2))
    for _ in range(closed):
        new << Cancel
    assert new


def test_rule_18_frames_at_any_boundary() -> None:
    new = play() >> server(frame(7, 1))
    new >> client(request("SETUP", 1, PAIR), frame(65535)) << to_client(new, 5000)
    new >> server(frame(0), response(461, 1)) << Cancel
    assert new


def test_interleaved_data_alone_leave_the_queue() -> None:
    transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
    new = (
        play() >> client(request("SETUP", 1, transport)) >> server(response(200, 1, transport, "1"))
    )
    new >> client(request("PLAY", 2, session="1"))
    assert new >> server(frame(20), response(200, 2, session="1")) << Done("interleaved")


@pytest.mark.parametrize(
    ("opening", "reason"),
    [
        (b"GET /a HTTP/1.0\r\n\r\n", "RTSP within HTTP"),
        (b"POST /a HTTP/1.0\r\n\r\n", "RTSP within HTTP"),
        (b"\x16\x03\x01\x02\x00", "TLS"),
    ],
)
def test_rule_18_tunnels_are_released(opening: bytes, reason: str) -> None:
    assert play() >> client(opening) << Done(reason)


def test_get_parameter_is_no_http() -> None:
    assert play() >> client(request("GET_PARAMETER", 1, session="1"))


@pytest.mark.parametrize(
    "opening", [b"SSH-2.0-x\r\n", b"REGISTER sip:a SIP/2.0\r\n\r\n", b"hello\n"]
)
def test_another_protocol_ends_the_inspection(opening: bytes) -> None:
    assert play() >> client(opening) << ParseError


def test_a_stream_to_another_host_is_refused() -> None:
    new = play() >> client(request("SETUP", 1, f"{PAIR};destination=10.0.9.9")) << Refuse
    assert new >> server(response(200, 1, ANSWER)) << Rewrite << to_server(new, 6970)


def test_an_own_destination_is_translated() -> None:
    transport = f"{PAIR};destination=10.0.1.2"
    new = play() >> client(request("SETUP", 1, transport)) << Rewrite << to_client(play(), 5000)
    assert isinstance(new, Playbook)
    assert new


@pytest.mark.parametrize(
    "form", [";source=10.0.2.7;server_port=7000-7001", ';src_addr="10.0.2.7:7000"']
)
@pytest.mark.parametrize("address", ["peer", "announced"])
def test_a_media_server_of_its_own(address: str, form: str) -> None:
    """The stream comes from it, and the client's punches and RTCP go to it."""
    new = play(address)
    new >> client(request("SETUP", 1, PAIR)) << to_client(new, 5000)
    new >> server(response(200, 1, PAIR + form)) << Rewrite << Rewrite
    new << to_client(new, 5000, confirmed=True)
    host = new.server
    if address == "announced":
        host = Endpoint.parse("10.0.2.7")
        new << replace(to_client(new, 5000), client=host.at(new.server.port), confirms_peer=True)
    new << Expect
    assert isinstance(new.last, Expect)
    assert new.last.server == host.at(7000)
    assert new


def test_a_group_is_refused() -> None:
    new = play() >> client(request("SETUP", 1, "RTP/AVP;multicast"))
    answer = "RTP/AVP;multicast;destination=239.1.1.1;port=5000-5001"
    assert new >> server(response(200, 1, answer)) << Refuse


def test_a_response_to_no_request_opens_nothing() -> None:
    assert play() >> server(response(200, 7, ANSWER))


def test_the_ports_of_raop() -> None:
    new = play()
    transport = "RTP/AVP/UDP;unicast;interleaved=0-1;mode=record;control_port=6001;timing_port=6002"
    new >> client(request("SETUP", 1, transport)) << Expect << Expect
    assert isinstance(new.last, Expect)
    assert (new.last.server, new.last.trigger) == (new.client.at(6002), "timing_port")
    new >> server(
        response(200, 1, "RTP/AVP/UDP;unicast;mode=record;server_port=7000;control_port=7001")
    )
    new << Expect << Expect << to_server(new, 7000, 1) << Expect
    assert isinstance(new.last, Expect)
    assert new.last.server == new.server.at(7001)


def test_rtsp_2_names_addresses_and_ports() -> None:
    new = play()
    transport = 'RTP/AVP/UDP;unicast;dest_addr=":5000"/":5001"'
    (
        new
        >> client(request("SETUP", 1, transport).replace(b"RTSP/1.0", b"RTSP/2.0"))
        << Expect
        << Expect
    )
    answer = f'{transport};src_addr="10.0.2.2:6970"/"10.0.2.2:6971"'
    new >> server(response(200, 1, answer)) << Rewrite << Rewrite << Rewrite << Rewrite
    assert new << Expect << Expect << Expect << Expect


def test_miracast_the_connected_end_asks() -> None:
    new = play() >> server(request("SETUP", 1, PAIR)) << Expect
    assert isinstance(new.last, Expect)
    assert (new.last.client, new.last.server) == (new.client, new.server.at(5000))


def test_bodies_are_skipped_whatever_they_hold() -> None:
    inner = request("SETUP", 9, PAIR).decode()
    assert (
        play() >> server(response(200, 1, body=inner)) >> client(request("ANNOUNCE", 2, body=inner))
    )


def test_a_head_without_end_is_bounded() -> None:
    assert play() >> client(b"OPTIONS * RTSP/1.0\r\n" + b"X: y\r\n" * 4000) << ParseError
