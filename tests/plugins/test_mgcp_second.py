"""MGCP: a CRCX that creates two connections (RFC 3435 §2.3.5), acknowledged responses and provisional ones (§3.5.6)."""

from __future__ import annotations

import pytest
from connection import Connection
from mgcp_messages import (
    AGENT,
    GATEWAY,
    MGCP,
    OTHER,
    command,
    crcx,
    created,
    dlcx,
    mdcx,
    response,
    sdp,
)  # fmt: skip
from test_mgcp import FROM_AGENT, Dialogue, media

from fwhelpers.api import Cancel, Endpoint, Refuse
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.inspector import Active
from fwhelpers.testing.invariants import check_bounds
from fwhelpers.testing.playbook import new_parser

SECOND = Endpoint.parse(GATEWAY, 16400)
TWO = ("I: C1", "Z2: aaln/2@gw.example.net", "I2: C2")
BOTH = f"{sdp()}\r\n{sdp(port=16400)}"


def two() -> Dialogue:
    """Return a dialogue with two connections that are connected to each other."""
    call = Dialogue()
    call.agent(crcx())
    assert call.gateway(response(1, *TWO, body=BOTH)) == [FROM_AGENT]
    return call


def test_the_second_connection_opens_for_the_end_that_the_agent_names() -> None:
    call = two()
    outgoing = media(GATEWAY, Endpoint.parse(OTHER, 20000))
    opened = call.agent(mdcx(2, sdp(OTHER, 20000), connection="C2"))
    assert opened == [media(OTHER, SECOND, confirms=True), outgoing]
    assert call.agent(dlcx(3, "C: A1", "I: C2")) == [
        Cancel(want=media(OTHER, SECOND, confirms=True)), Cancel(want=outgoing),
    ]  # fmt: skip
    # a repeated response opens nothing of a connection that was deleted
    assert call.gateway(response(1, *TWO, body=BOTH)) == [FROM_AGENT]


def test_the_endpoint_of_the_second_connection() -> None:
    call = two()
    call.agent(mdcx(2, sdp(OTHER, 20000), connection="C2"))
    withdrawn = call.agent(dlcx(3, endpoint="aaln/2@gw.example.net"))
    assert [type(event) for event in withdrawn] == [Cancel, Cancel]
    assert call.agent(dlcx(4, "C: A1")) == [Cancel(want=media(AGENT, call_port(), confirms=True))]


def call_port() -> Endpoint:
    return Endpoint.parse(GATEWAY, 16384)


def test_addresses_of_both_descriptions_are_translated() -> None:
    active = Active(MGCP, {}, Limits())
    flow = Connection(
        MGCP, "udp", f"{GATEWAY}:2427", f"{AGENT}:2727", seen_client="192.0.2.1:2427", active=active
    )
    flow.c(command("RSIP", 9, "RM: restart"))
    flow.s(crcx())
    text = flow.c(response(1, *TWO, body=BOTH)).payload
    assert text is not None
    assert GATEWAY.encode() not in text
    assert text.count(b"192.0.2.1") == 4


@pytest.mark.parametrize("second", ["", "v=0\r\nm=audio 99999999 RTP/AVP 0", "\r\n\r\n", "x"])
def test_another_second_description_changes_nothing(second: str) -> None:
    call = Dialogue()
    call.agent(crcx())
    events = call.gateway(response(1, *TWO, body=f"{sdp()}\r\n{second}"))
    assert [event for event in events if not isinstance(event, Refuse)] == [FROM_AGENT]
    call.agent(mdcx(2, sdp(OTHER, 20000), connection="C2"))
    assert [event.server.port for event in call.events if hasattr(event, "server")] == [20000]


def test_acknowledgements_and_provisional_responses() -> None:
    call = Dialogue()
    call.agent(crcx())
    assert call.gateway(response(1, "I: C1", code=100, body=sdp())) == [FROM_AGENT]
    assert call.gateway(response(1, "I: C1", "K:", body=sdp())) == [FROM_AGENT]
    assert call.agent(b"000 1\r\n", mdcx(2)) == [media(AGENT, call_port(), confirms=True)]
    assert call.gateway(response(2, code=100)) == []


def test_a_trunk_s_oldest_call_is_modified_and_ends() -> None:
    """All channels of eight E1 lines have a call."""
    call = Dialogue()
    for number in range(8 * 30):
        call.agent(crcx(number + 1, call=f"A{number}"))
        call.gateway(created(number + 1, sdp(port=16384 + 2 * number), f"C{number}"))
    opened = call.agent(mdcx(900, sdp(OTHER, 20000), "A0", "C0"))
    assert media(OTHER, call_port(), confirms=True) in opened
    ended = call.agent(dlcx(901, "C: A0", "I: C0"))
    assert [type(event) for event in ended] == [Cancel, Cancel]


def test_the_memory_of_a_trunk_is_bounded() -> None:
    parser = new_parser(MGCP, address="announced")
    streams = "".join(f"m=audio {port} RTP/AVP 0\r\na=rtcp:{port + 9}\r\n" for port in (4000, 4100))
    for number in range(1, 600):
        call, body = f"{number:032}", sdp(media=streams)
        list(parser.feed(crcx(number, sdp(OTHER, media=streams), call, "x" * 255), True))
        list(parser.feed(created(number, body, f"{number:032}"), False))
        if number % 100 == 99:
            check_bounds(parser)
