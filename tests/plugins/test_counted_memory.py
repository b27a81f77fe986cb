"""What a parser holds for an attacker's messages is what it counts, as the core bounds the sum over all connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fwhelpers_plugins.rtsp import fwhelpers_helpers as rtsp_helpers
from h323_messages import H323, acknowledge, facility, open_channel, rrq, setup, tunnel
from mgcp_messages import MGCP, command
from mgcp_messages import response as mgcp_response
from mgcp_messages import sdp as mgcp_sdp
from rtsp_messages import request as rtsp_request
from rtsp_messages import response as rtsp_response
from sccp_messages import SCCP, ack, opened, start
from sip_messages import SIP, A, X, invite, response, sdp

from fwhelpers.api import Endpoint, Helper
from fwhelpers.testing.invariants import footprint
from fwhelpers.testing.playbook import Message, client, flow_of, new_parser, server

(RTSP,) = rtsp_helpers()
PHONE = Endpoint.parse(A)
MESSAGES = 200


def sip_calls() -> Iterator[Message]:
    for number in range(MESSAGES):
        media = [f"audio {2000 + 4 * number} RTP/AVP 0|a=rtcp:{3000 + number}"] * 4
        fields = {"call": f"c{number}", "cseq": number}
        yield client(invite(sdp(A, *media), **fields))
        yield server(response(183, "INVITE", sdp(X, *media), **fields))


def mgcp_connections() -> Iterator[Message]:
    name = "x" * 250
    for number in range(MESSAGES):
        media = f"m=audio {2000 + 4 * number} RTP/AVP 0\r\na=rtcp:{5000 + number}\r\n" * 2
        body = mgcp_sdp(media=media)
        yield server(command("CRCX", number, f"C: {number:032X}", body=body, endpoint=name))
        yield client(mgcp_response(number, f"I: {number:032X}", f"Z: {name}", body=body))


def h323_channels() -> Iterator[Message]:
    for number in range(16):
        yield client(setup(number))
        for channel in range(1, 40):
            ends = [PHONE.at(2000 + channel * 8 + offset) for offset in range(4)]
            yield client(facility(number, pdu=tunnel(open_channel(channel, *ends[:2]))))
            yield server(facility(number, True, pdu=tunnel(acknowledge(channel, *ends[2:]))))


def h323_registrations() -> Iterator[Message]:
    for number in range(1, MESSAGES):
        yield client(rrq([PHONE.at(2000 + number + port) for port in range(4)], number=number))


def sccp_channels() -> Iterator[Message]:
    for party in range(MESSAGES):
        yield server(opened(party, 18, Endpoint.parse(X, 4000)))
        yield client(ack(PHONE.at(2000 + party), party, 18))
        yield server(start(Endpoint.parse(X, 3000 + party), party, 18))


def rtsp_sessions() -> Iterator[Message]:
    for number in range(MESSAGES):
        ports = ";".join(f"client_port={2000 + number * 40 + 2 * port}" for port in range(8))
        yield client(rtsp_request("SETUP", number, f"RTP/AVP;{ports}"))
        chosen = "RTP/AVP;server_port=6000-6001"
        yield server(rtsp_response(200, number, chosen, session=f"s{number}"))


CASES: dict[str, tuple[Helper, str, Callable[[], Iterator[Message]]]] = {
    "sip": (SIP, "udp", sip_calls),
    "mgcp": (MGCP, "udp", mgcp_connections),
    "h323 channels": (H323, "tcp", h323_channels),
    "h323 registrations": (H323, "udp", h323_registrations),
    "sccp": (SCCP, "tcp", sccp_channels),
    "rtsp": (RTSP, "tcp", rtsp_sessions),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_parser_holds_is_counted(case: str) -> None:
    helper, l4, script = CASES[case]
    parser = new_parser(helper, flow_of(helper, l4), address="announced")
    empty = footprint(parser)
    assert parser.buffered == 0
    for data, reply in script():
        for _ in parser.feed(data, reply):
            pass
    assert footprint(parser) - empty > 4000, "the messages leave something"
    assert footprint(parser) - empty < 2.5 * parser.buffered
