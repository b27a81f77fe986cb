"""What holds for arbitrary conversations."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from sip_messages import (
    ANSWER,
    OFFER,
    SIP,
    A,
    B,
    X,
    audio,
    invite,
    ok,
    request,
    response,
    sdp,
)
from test_sip_signalling import accepted, register

from fwhelpers.api import Expect, ParseError, Resize, Rewrite
from fwhelpers.sansio.sdp import encode_port
from fwhelpers.testing.invariants import check
from fwhelpers.testing.playbook import Message, flow_of, new_parser

hosts = st.sampled_from([A, B, X, "0.0.0.0", "127.0.0.1", "fd01::2", "host.example.org"])
ports = st.sampled_from([0, 9, 22, 4000, 4001, 5060, 40000, 65535, 65536])
extras = st.sampled_from(
    ["", "a=rtcp:4005", "a=rtcp-mux", "a=sendonly", "a=setup:passive", "a=candidate:1", f"c=IN IP4 {X}"]
)  # fmt: skip
protocols = st.sampled_from(["RTP/AVP 0", "TCP/MSRP *", "udptl t38", "UDP/BFCP *", "RTP/SAVPF 0"])
media = st.builds(
    lambda kind, port, protocol, extra: f"{kind} {port} {protocol}" + (f"|{extra}" if extra else ""),
    st.sampled_from(["audio", "video", "image", "application"]), ports, protocols, extras,
)  # fmt: skip
bodies = st.one_of(
    st.sampled_from(["", OFFER, ANSWER, audio(A, 4000, "a=rtcp:4005", "a=rtcp-mux")]),
    st.builds(lambda host, lines: sdp(host, *lines), hosts, st.lists(media, max_size=5)),
    st.text("v=0macIN IP4.:\r\n/audio12", max_size=60),
)
fields = st.fixed_dictionaries(
    {
        "cseq": st.sampled_from([1, 2, 3]),
        "call": st.sampled_from(["1", "2"]),
        "via": st.sampled_from(
            ["", f"SIP/2.0/UDP {A}:5062", f"SIP/2.0/TCP {B}:5060", f"SIP/2.0/UDP {A}:40000;received={X};rport=7", "x"]
        ),
        "contact": st.sampled_from(["", f"<sip:a@{A}:5066>", f"<sip:b@{B}:5060;transport=tcp>;expires=0", "*"]),
        "kind": st.sampled_from(["application/sdp", "multipart/mixed;boundary=v", "text/plain"]),
        "extra": st.sampled_from(["", "", "RAck: 1 1 INVITE", "Call-ID: 9", "Expires: 0"]),
    }
)  # fmt: skip
methods = st.sampled_from(["INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "REGISTER", "OPTIONS"])  # fmt: skip
statuses = st.sampled_from([100, 180, 183, 200, 202, 302, 401, 491, 503, 603])
tags = st.sampled_from([b"", b"", b";tag=x", b";tag=y"])
untagged = st.one_of(
    st.builds(lambda method, body, values: request(method, body, **values), methods, bodies, fields),
    st.builds(
        lambda status, method, body, values: response(status, method, body, **values),
        statuses, methods, bodies, fields,
    ),
    st.sampled_from([b"\r\n\r\n", invite(OFFER), ok(ANSWER), register(f"<sip:a@{A}:5066>"), accepted()]),
)  # fmt: skip
messages = st.builds(
    lambda message, tag: message.replace(b"To: <sip:b@example.org>", b"To: <sip:b@example.org>" + tag),
    untagged, tags,
)  # fmt: skip
plays = st.lists(st.builds(Message, messages, st.booleans()), max_size=8)
broken = st.builds(
    lambda message, at, text: Message(message.data[:at] + text + message.data[at:], message.reply),
    st.builds(Message, messages, st.booleans()),
    st.integers(0, 400),
    st.one_of(st.binary(max_size=4), st.sampled_from([b"\r\n", b"\n ", b",", b"<", b'"', b"99999999999"])),
)  # fmt: skip
modes = st.sampled_from(["peer", "announced", "any-src"])


@settings(max_examples=40)
@given(plays)
def test_streams_and_datagrams_hold_the_invariants(play: list[Message]) -> None:
    check(SIP, play, "tcp")
    check(SIP, play, "udp")


@settings(max_examples=40)
@given(st.lists(st.one_of(broken, st.builds(Message, messages, st.booleans())), max_size=5))
def test_broken_messages_hold_the_invariants(play: list[Message]) -> None:
    check(SIP, play, "tcp")
    check(SIP, play, "udp")


@settings(max_examples=100)
@given(plays, st.sampled_from(["udp", "tcp"]), modes)
def test_positions_hold_what_was_announced(play: list[Message], l4: str, mode: str) -> None:
    parser = new_parser(SIP, flow_of(SIP, l4), address=mode)
    streams = bytearray(), bytearray()
    for message in play:
        if l4 == "udp":
            streams[message.reply].clear()
        stream = streams[message.reply]
        stream += message.data
        try:
            for event in parser.feed(message.data, message.reply):
                if isinstance(event, Expect) and event.encode:
                    assert event.span
                    assert stream[slice(*event.span)] == encode_port(event.server)
                elif isinstance(event, Rewrite):
                    assert event.encode(event.endpoint) == stream[slice(*event.span)] or (
                        # another form of the same address
                        event.endpoint.family == 6
                    )
                elif isinstance(event, Resize):
                    begin, end = event.body
                    assert int(stream[slice(*event.span)]) == end - begin
        except ParseError:
            return


@given(plays, modes)
def test_nothing_is_announced_twice_at_other_places_of_a_message(
    play: list[Message], mode: str
) -> None:
    """Overlapping edits would be refused by the engine."""
    parser = new_parser(SIP, flow_of(SIP), address=mode)
    for message in play:
        spans = [
            event.span
            for event in parser.feed(message.data, message.reply)
            if isinstance(event, (Rewrite, Resize)) or (isinstance(event, Expect) and event.encode)
        ]
        places = sorted(span for span in spans if span)
        for (_, end), (begin, _) in pairwise(places):
            assert end <= begin
