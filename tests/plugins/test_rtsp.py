"""RTSP as playbooks. The numbers of rules are those of what real programs do."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.rtsp import fwhelpers_helpers
from rtsp_messages import frame, request, response

from fwhelpers.api import Cancel, Done, Endpoint, Expect, ParseError, Refuse, Rewrite
from fwhelpers.testing.playbook import Playbook, client, server

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
    new >> server(response(200, 2)) << Cancel(want=to_client(new, 5000))
    assert new << Cancel(want=to_server(new, 6970))


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


@pytest.mark.parametrize("address", ["peer", "announced"])
def test_a_media_server_of_its_own(address: str) -> None:
    new = play(address)
    new >> client(request("SETUP", 1, PAIR)) << to_client(new, 5000)
    new >> server(response(200, 1, f"{PAIR};source=10.0.2.7")) << Rewrite << Rewrite
    new << to_client(new, 5000, confirmed=True)
    if address == "announced":
        new << Expect  # the same from 10.0.2.7
        assert isinstance(new.last, Expect)
        assert new.last.client == Endpoint.parse("10.0.2.7")
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
