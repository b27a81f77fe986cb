from __future__ import annotations

from dataclasses import replace

import pytest
from fwhelpers_plugins.mgcp.messages import covers
from hypothesis import given
from hypothesis import strategies as st
from mgcp_messages import (
    AGENT,
    CALL,
    ENDPOINT,
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
)

from fwhelpers.api import Cancel, Endpoint, Event, Expect, Keep, ParseError, Refuse, Rewrite
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check, check_bounds
from fwhelpers.testing.playbook import Message, new_parser

LOCAL, REMOTE = Endpoint.parse(GATEWAY, 16384), Endpoint.parse(OTHER, 20000)


def media(source: str, destination: Endpoint, count: int = 2, confirms: bool = False) -> Expect:
    return Expect(
        Endpoint.parse(source), destination, "udp", "audio", count=count, confirms_peer=confirms,
        trigger="SDP audio", timeout=180,
    )  # fmt: skip


FROM_AGENT, PINNED, OUTGOING = media(AGENT, LOCAL), media(OTHER, LOCAL), media(GATEWAY, REMOTE)
FAX = replace(media(AGENT, LOCAL, 1), policy="other", trigger="SDP other")


class Dialogue:
    """The events of a conversation; the gateway is conntrack's client, or with `served` its server."""

    def __init__(self, address: str = "announced", served: bool = False) -> None:
        self._served = served
        self._parser = new_parser(MGCP, address=address)
        if served:
            flow = self._parser.flow
            self._parser.flow = replace(
                flow, client=Endpoint.parse(AGENT, 2727), server=Endpoint.parse(GATEWAY, 2427)
            )

    def agent(self, *data: bytes) -> list[Event]:
        return self._feed(b".\r\n".join(data), not self._served)

    def gateway(self, *data: bytes) -> list[Event]:
        return self._feed(b".\r\n".join(data), self._served)

    def _feed(self, data: bytes, reply: bool) -> list[Event]:
        self.data = data
        self.events = [
            e for e in self._parser.feed(data, reply) if not isinstance(e, (Keep, Rewrite))
        ]
        return [plain(event) for event in self.events]


def plain(event: Event) -> Event:
    if isinstance(event, Expect):
        return replace(event, client=event.client.at(0), span=None, encode=None, fit=None)
    return event


def confirmed(expect: Expect) -> Expect:
    return replace(expect, confirms_peer=True)


def in_call(address: str = "announced", served: bool = False) -> Dialogue:
    dialogue = Dialogue(address, served)
    assert dialogue.agent(crcx()) == []
    assert dialogue.gateway(created()) == [FROM_AGENT]
    return dialogue


def connected(address: str = "announced", served: bool = False) -> Dialogue:
    dialogue = in_call(address, served)
    dialogue.agent(mdcx(body=sdp(OTHER, 20000)))
    return dialogue


@pytest.mark.parametrize("served", [False, True])
def test_both_ends_are_pinned(served: bool) -> None:
    call = in_call(served=served)
    expected = [confirmed(PINNED), OUTGOING, Cancel(want=confirmed(FROM_AGENT))]
    assert call.agent(mdcx(body=sdp(OTHER, 20000))) == expected
    assert call.gateway(response(2)) == []


def test_the_remote_end_comes_with_the_creation() -> None:
    call = Dialogue()
    assert call.agent(crcx(body=sdp(OTHER, 20000))) == [OUTGOING]
    assert call.gateway(created()) == [PINNED, OUTGOING]


def test_the_gateway_answers_a_modification_with_another_port() -> None:
    call = connected()
    moved = LOCAL.at(16400)
    events = call.gateway(response(2, body=sdp(port=16400)))
    assert events == [media(OTHER, moved), OUTGOING, Cancel(want=PINNED)]


def test_a_modification_without_a_description_renews() -> None:
    assert connected().agent(mdcx(5)) == [confirmed(PINNED), OUTGOING]


def test_another_remote_end() -> None:
    call, third = connected(), Endpoint.parse("10.0.3.4", 30000)
    assert call.agent(mdcx(5, sdp("10.0.3.4", 30000))) == [
        confirmed(media("10.0.3.4", LOCAL)), media(GATEWAY, third),
        Cancel(want=confirmed(PINNED)), Cancel(want=OUTGOING),
    ]  # fmt: skip


@pytest.mark.parametrize("body", [sdp("0.0.0.0", 20000), sdp(OTHER, 0)])
def test_hold(body: str) -> None:
    call = connected()
    assert call.agent(mdcx(5, body)) == [Cancel(want=confirmed(PINNED)), Cancel(want=OUTGOING)]


def test_a_failed_modification_changes_nothing() -> None:
    call = connected()
    call.gateway(response(2))
    call.agent(mdcx(5, sdp("10.0.3.4", 30000)))
    events = call.gateway(response(5, code=510))
    assert events[:2] == [PINNED, OUTGOING]
    assert [e.want.client.host for e in events[2:] if isinstance(e, Cancel) and e.want] == [
        "10.0.3.4", GATEWAY,
    ]  # fmt: skip
    assert call.gateway(response(5, code=510)) == []


def test_a_failed_creation() -> None:
    call = Dialogue()
    call.agent(crcx(body=sdp(OTHER, 20000)))
    assert call.gateway(response(1, code=401)) == [Cancel(want=OUTGOING)]


def test_a_provisional_response() -> None:
    call = Dialogue()
    call.agent(crcx())
    assert call.gateway(response(1, "I: C1", body=sdp(), code=100)) == [FROM_AGENT]
    assert call.gateway(created()) == [FROM_AGENT]
    assert call.gateway(response(1, code=0)) == []


def test_repetitions_are_answered_alike() -> None:
    call = Dialogue()
    call.agent(crcx())
    call.agent(crcx())
    assert call.gateway(created()) == call.gateway(created()) == [FROM_AGENT]
    first = call.agent(mdcx(body=sdp(OTHER, 20000)))
    again = call.agent(mdcx(body=sdp(OTHER, 20000)))
    assert again == first[:2] == [confirmed(PINNED), OUTGOING]


def test_another_response_to_the_same_command() -> None:
    call = in_call()
    assert call.gateway(created(body=sdp(port=40000))) == [Refuse("G4", "another response 1")]


def test_piggybacked_messages() -> None:
    """RFC 3435 §3.5.5."""
    call = Dialogue()
    call.agent(response(77), crcx(1), crcx(2, call="B1"))
    assert call.gateway(created(1), created(2, sdp(port=16400), "C2")) == [
        FROM_AGENT, media(AGENT, LOCAL.at(16400)),
    ]  # fmt: skip
    call.agent(dlcx(3, "C: A1", "I: C1"), mdcx(4, sdp(OTHER, 20000), "B1", "C2"))
    assert [type(event) for event in call.events] == [Cancel, Expect, Expect, Cancel]


@pytest.mark.parametrize(
    "deletion",
    [
        dlcx(3, "C: A1", "I: C1"),
        dlcx(3, "C: a1", "I: c1"),
        dlcx(3, "C: A1"),
        dlcx(3),
        dlcx(3, endpoint=ENDPOINT.upper()),
        dlcx(3, endpoint="aaln/*@gw.example.net"),
        dlcx(3, endpoint="*@gw.example.net"),
    ],
)
def test_deletion(deletion: bytes) -> None:
    call = connected()
    withdrawn = [Cancel(want=confirmed(PINNED)), Cancel(want=OUTGOING)]
    assert call.agent(deletion) == withdrawn
    assert call.agent(deletion) == []
    # a late repetition opens nothing again
    assert call.gateway(created()) == []


@pytest.mark.parametrize(
    "deletion",
    [dlcx(3, "C: B1"), dlcx(3, "C: A1", "I: C2"), dlcx(3, "I: C1"), dlcx(3, endpoint="aaln/2@x")],
)
def test_deletion_of_others(deletion: bytes) -> None:
    assert connected().agent(deletion) == []


def test_the_gateway_deletes_or_restarts() -> None:
    by_gateway = [Cancel(want=PINNED), Cancel(want=OUTGOING)]
    assert connected().gateway(dlcx(3, "C: A1", "I: C1", "E: 900")) == by_gateway
    restart = command("RSIP", 5, "RM: forced", endpoint="*@gw.example.net")
    assert connected().gateway(restart) == by_gateway
    assert connected().agent(restart) == []
    graceful = command("RSIP", 5, "RM: graceful", endpoint="*@gw.example.net")
    assert connected().gateway(graceful) == []


def test_an_endpoint_that_the_gateway_chose() -> None:
    call = Dialogue()
    call.agent(crcx(endpoint="rtpbridge/*@mgw"))
    call.gateway(created(1, None, "C1", "Z: rtpbridge/1@mgw"))
    assert call.agent(dlcx(3, endpoint="rtpbridge/2@mgw")) == []
    assert len(call.agent(dlcx(4, endpoint="rtpbridge/1@mgw"))) == 1


def test_a_call_that_began_before() -> None:
    call = Dialogue()
    assert call.agent(mdcx(body=sdp(OTHER, 20000))) == [OUTGOING]
    assert call.gateway(response(2, body=sdp())) == [PINNED, OUTGOING]


# descriptions


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (sdp(extra="a=rtcp:16500\r\n"), [media(AGENT, LOCAL, 1), media(AGENT, LOCAL.at(16500), 1)]),
        (sdp(extra="a=rtcp:16385\r\n"), [FROM_AGENT]),
        (sdp(media="m=audio 16384/2 RTP/AVP 0\r\n"), [media(AGENT, LOCAL, 4)]),
        (sdp(media="m=image 16384 udptl t38\r\n"), [FAX]),
        (sdp(media="m=audio 16384 TCP/X 0\r\n"), []),
        (sdp().replace("\r\n", "\n"), [FROM_AGENT]),
        (sdp() + "\r\n" + sdp(port=30000), [FROM_AGENT]),
        ("m=audio 1 RTP/AVP 0\r\n", []),
    ],
)  # fmt: skip
def test_descriptions(body: str, expected: list[Event]) -> None:
    call = Dialogue()
    call.agent(crcx())
    assert call.gateway(created(body=body)) == expected


def test_the_gateways_media_have_another_address() -> None:
    call = Dialogue()
    call.agent(crcx())
    board = Endpoint.parse("10.0.1.9", 16384)
    assert call.gateway(created(body=sdp("10.0.1.9"))) == [media(AGENT, board)]
    assert call.agent(mdcx(body=sdp(OTHER, 20000)))[:2] == [
        media(OTHER, board),
        media("10.0.1.9", REMOTE),
    ]


def test_both_ends_within_the_gateway() -> None:
    call = in_call()
    assert call.agent(mdcx(body=sdp(GATEWAY, 16390))) == [Cancel(want=confirmed(FROM_AGENT))]


def test_any_source() -> None:
    call = Dialogue("any-src")
    call.agent(crcx())
    assert call.gateway(created()) == [replace(FROM_AGENT, sources="any")]
    events = call.agent(mdcx(body=sdp(OTHER, 20000)))
    assert events[:2] == [replace(confirmed(PINNED), sources="any"), OUTGOING]


def test_ports_and_addresses_have_their_places() -> None:
    play = Playbook(MGCP) >> server(crcx()) >> client(created()) << Keep(3600) << Expect
    moved = Endpoint.parse("192.0.2.1", 40000)
    expected = created(body=sdp().replace("16384", "40000"))
    assert play.rewritten(moved, reply=False) == expected
    for _ in range(2):  # o= and c=
        play << Rewrite
        assert isinstance(play.last, Rewrite)
        begin, end = play.last.span
        assert play.streams[False][begin:end] == GATEWAY.encode()
        assert play.last.encode(moved) == b"192.0.2.1"
    assert play


def test_the_agent_names_the_gateway_by_its_translated_address() -> None:
    play = Playbook(MGCP, address="announced") >> server(crcx(body=sdp(OTHER, 20000)))
    play << OUTGOING << Rewrite << Rewrite << Rewrite
    assert isinstance(play.last, Rewrite)
    assert play.last.endpoint == REMOTE
    begin, end = play.last.span
    assert play.streams[True][begin:end] == b"20000"


# what opens nothing


@pytest.mark.parametrize(
    "messages",
    [
        [client(created())],
        [server(crcx()), server(created())],
        [server(crcx()), client(created(2))],
        [server(command("AUCX", 1, "I: C1")), client(created())],
        [server(command("RQNT", 1, "X: 1")), client(response(1, body=sdp()))],
        [server(crcx()), client(response(1, body=sdp(), code=500))],
    ],
)
def test_nothing_opens(messages: list[Message]) -> None:
    parser = new_parser(MGCP, address="any-src")
    events = [event for m in messages for event in parser.feed(m.data, m.reply)]
    assert not [event for event in events if isinstance(event, (Expect, Rewrite))]


def test_a_response_to_no_command() -> None:
    play = Playbook(MGCP) >> client(created(6))
    assert play << Refuse("G4", "description in response 6 to no command")


def test_too_many_streams() -> None:
    body = sdp() + "m=audio 16390 RTP/AVP 0\r\n" * 70
    play = Playbook(MGCP) >> server(crcx()) >> client(created(body=body))
    assert play << Refuse("G11", "more than 64 streams") << Keep


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 20, b"INVITE sip:a@b SIP/2.0\r\n", b"200", b"CRCX 1 x SIP/2.0"]
)
def test_other_protocols(data: bytes) -> None:
    assert Playbook(MGCP) >> client(data) << ParseError
    play = Playbook(MGCP) >> client(command("NTFY", 1)) >> client(data)
    assert play  # real peers send a keep-alive or a truncated message at times


def test_bounds() -> None:
    parser = new_parser(MGCP)
    for number in range(500):
        identifier = f"{number:X}"
        list(parser.feed(crcx(number, call=identifier), True))
        list(parser.feed(created(number, connection=identifier), False))
    assert parser.buffered <= parser.MEMORY_MAX
    check_bounds(parser)


@pytest.mark.parametrize(
    ("pattern", "endpoint", "result"),
    [
        (b"a/1@x", b"a/1@x", True), (b"a/1@x", b"a/11@x", False), (b"a/*@x", b"a/1@x", True),
        (b"*@x", b"a/1@x", True), (b"a/*/*@x", b"a/1/2@x", True), (b"a/*/*@x", b"a/1@x", False),
        (b"a*a", b"a", False), (b"*", b"", True), (b"b*", b"a", False),
    ],
)  # fmt: skip
def test_wildcards(pattern: bytes, endpoint: bytes, result: bool) -> None:
    assert covers(pattern, endpoint) is result


# invariants

MESSAGES = st.sampled_from(
    [
        *CALL, server(crcx(body=sdp(OTHER, 20000))), client(created(body=sdp("0.0.0.0"))), server(mdcx()),
        client(crcx()), server(created()), server(dlcx(3)), client(response(2, body=sdp(port=16400))),
        server(response(5) + b".\r\n" + crcx(7, call="B") + b".\n" + mdcx(8, call="B")),
        client(response(2, code=500)), client(created(body=sdp(extra="a=rtcp:9 IN IP6 fd01::9\r\n"))),
    ]
)  # fmt: skip
RUBBISH = st.builds(Message, st.binary(max_size=60), st.booleans())


@given(st.lists(MESSAGES | RUBBISH, max_size=12), st.sampled_from([4, 6]))
def test_fuzz(script: list[Message], family: int) -> None:
    check(MGCP, script, family=family)


def test_declaration() -> None:
    assert MGCP.spec
    assert MGCP.doc
    assert (MGCP.l4s, list(MGCP.ports)) == (("udp",), [2427, 2727])
