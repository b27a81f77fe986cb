"""RTSP: the same outcome however the bytes arrive, and bounded memory."""

from __future__ import annotations

import pytest
from connection import Connection
from fwhelpers_plugins.rtsp import fwhelpers_helpers
from hypothesis import given
from hypothesis import strategies as st
from rtsp_messages import frame, request, response

from fwhelpers.api import ParseError
from fwhelpers.testing.invariants import check, check_bounds
from fwhelpers.testing.playbook import Message, client, new_parser, server

(RTSP,) = fwhelpers_helpers()
PAIR = "RTP/AVP;unicast;client_port=5000-5001"
ANSWER = f"{PAIR};source=10.0.2.2;server_port=6970-6971"
OPENINGS = (b"hello\n", b"SSH-2.0-x\r\n", b"POST / HTTP/1.1\r\n\r\n", b"\x16\x03\x01")

MESSAGES = st.sampled_from(
    [
        client(request("OPTIONS")), client(request("SETUP", 1, PAIR)), server(response(200, 1, ANSWER, "1")),
        client(request("SETUP", 2, "RTP/AVP;client_port=5004-5002")), server(response(461, 2)),
        client(request("SETUP", 2, f"RTP/AVP;client_port=5010,{PAIR}")), server(response(200, 2, PAIR, "1")),
        server(response(454, 3)), client(request("TEARDOWN", 4)),
        client(request("PLAY", 3, session="1")), server(response(200, 3, session="1", body="v=0")),
        client(request("TEARDOWN", 4, session="1")), server(response(200, 4)), server(frame(9)), client(frame(0)),
        client(b"\r\n"), server(request("SETUP", 1, PAIR)), client(response(200, 1, PAIR)),
        *map(client, OPENINGS),
    ]
)  # fmt: skip
RUBBISH = st.builds(Message, st.binary(max_size=40), st.booleans())


@given(
    st.lists(MESSAGES | RUBBISH, max_size=12),
    st.sampled_from([4, 6]),
    st.integers(0, 99),
    st.sampled_from(["peer", "announced", "any-src"]),
)
def test_fuzz(script: list[Message], family: int, seed: int, address: str) -> None:
    check(RTSP, script, family=family, seed=seed, address=address)


@pytest.mark.parametrize("opening", OPENINGS[:2])
def test_another_opening_ends_the_inspection_byte_by_byte_too(opening: bytes) -> None:
    parser = new_parser(RTSP)
    pieces = [opening[at : at + 1] for at in range(len(opening))]
    with pytest.raises(ParseError):
        print([list(parser.feed(piece, False)) for piece in pieces])


@pytest.mark.parametrize("opening", OPENINGS[2:])
def test_what_follows_a_tunnels_opening_opens_nothing(opening: bytes) -> None:
    """A web page chooses the body of a POST."""
    flow = Connection(RTSP, "tcp", "10.0.1.2:40000", "10.0.2.2:554")
    flow.c(opening + request("SETUP", 1, PAIR))
    assert flow.maker.created == []


def test_sessions_are_bounded() -> None:
    parser = new_parser(RTSP)
    for number in range(500):
        ports = f"RTP/AVP;client_port={5000 + 2 * number}-{5001 + 2 * number};server_port=7000-7001"
        list(parser.feed(request("SETUP", number, ports), False))
        list(parser.feed(response(200, number, ports, str(number % 50)), True))
        check_bounds(parser)
    assert parser.buffered > 0


def test_offers_are_bounded() -> None:
    parser = new_parser(RTSP)
    for number in range(40):
        # sixteen alternatives of eight pairs
        pairs = [f"client_port={port}-{port + 1}" for port in range(5000, 5256, 2)]
        offer = ",".join("RTP/AVP;" + ";".join(pairs[at : at + 8]) for at in range(0, 128, 8))
        list(parser.feed(request("SETUP", number, offer), False))
        check_bounds(parser)
        if number < 10:
            list(parser.feed(response(200, number, offer, str(number)), True))
