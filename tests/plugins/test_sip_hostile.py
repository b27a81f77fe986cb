"""Attacks on helpers of SIP: slipstreaming, smuggled messages, hijacked registrations, media bombs."""

from __future__ import annotations

import pytest
from connection import Connection
from hypothesis import given
from hypothesis import strategies as st
from sip_messages import (
    ANSWER,
    OFFER,
    SIP,
    A,
    X,
    audio,
    by_client,
    by_server,
    invite,
    ok,
    request,
    response,
    sdp,
    sip,
    to_client,
)
from test_sip_signalling import accepted, register

from fwhelpers.api import Expect, ParseError, Refuse
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.headers import SYN
from fwhelpers.engine.inspector import Active
from fwhelpers.kernel import labels
from fwhelpers.testing.invariants import footprint
from fwhelpers.testing.playbook import Message, flow_of, new_parser

TRIGGER = register(f"<sip:a@{A}:5066>") + invite(OFFER, via=f"SIP/2.0/TCP {A}")
PREFIXES = (
    b"\x00\x03\x0f\xa0\x21\x12\xa4\x42" + b"x" * 12,
    b"a" * 64,
    b"\r\nPOST / HTTP/1.1\r\n",
)
HEADS = (
    b"POST / HTTP/1.1\r\nHost: x:5060\r\nContent-Length: %d\r\n\r\n",
    b"OPTIONS / HTTP/1.1\r\nHost: x:5060\r\nContent-Length: %d\r\n\r\n",
    b"SIP/2.0 POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n",
)


def opened(l4: str, *script: Message, address: str = "any-src") -> list[Expect]:
    """Return all that a conversation opens in the least strict mode."""
    parser = new_parser(SIP, flow_of(SIP, l4), address=address)
    expects: list[Expect] = []
    for message in script:
        try:
            expects += [e for e in parser.feed(*message) if isinstance(e, Expect)]
        except ParseError:
            break
    return expects


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("segment", [536, 1200, 1440, 1460])
def test_slipstreaming_by_a_form(head: bytes, segment: int) -> None:
    """A server chooses the segments: the trigger may begin one at any offset."""
    for shift in range(0, segment, 61):
        padding = b"a" * (segment - len(head) + shift)
        data = head % 5000 + padding + TRIGGER + b"b" * 500
        pieces = [data[at : at + segment] for at in range(0, len(data), segment)]
        assert opened("tcp", *map(by_client, pieces), by_server(accepted())) == []


@pytest.mark.parametrize("prefix", PREFIXES)
def test_slipstreaming_by_a_datagram(prefix: bytes) -> None:
    """The user name of a TURN request; the kernel reassembles fragments before anybody reads them."""
    assert opened("udp", by_client(prefix + TRIGGER), by_server(accepted())) == []


def test_a_message_within_another_s_body_is_no_message() -> None:
    for method in ("MESSAGE", "INVITE", "OPTIONS"):
        outer = request(method, TRIGGER.decode(), kind="text/plain", via=f"SIP/2.0/TCP {A}")
        assert opened("tcp", by_client(outer), by_server(accepted())) == []
        assert opened("udp", by_client(outer), by_server(accepted())) == []


def test_a_message_behind_a_datagram_is_no_message() -> None:
    assert opened("udp", by_client(request("OPTIONS") + TRIGGER), by_server(accepted())) == []


@pytest.mark.parametrize("extra", [2**32, 2**32 + 10, 2**64, 10**30])
def test_a_length_beyond_32_bits_hides_no_message(extra: int) -> None:
    outer = request("OPTIONS", via=f"SIP/2.0/TCP {A}").replace(b"Length: 0", b"Length: %d" % extra)
    assert opened("tcp", by_client(outer + TRIGGER)) == []


@pytest.mark.parametrize("labels_", [[], [labels.ORIG_SEEN], [labels.BEGAN]])
def test_slipstreaming_by_a_stream_whose_beginning_was_not_seen(labels_: list[int]) -> None:
    """A hostile server makes conntrack forget the connection: the trigger begins a new entry."""
    flow = Connection(SIP, "tcp", f"{A}:40000", "10.0.2.2:5060", active=Active(SIP, {}))
    flow.info = bytes(32)
    packet = flow.packet(TRIGGER, False)
    packet.labels = labels.bits(*labels_)
    flow.send(packet)
    assert flow.maker.created == []
    begun = Connection(SIP, "tcp", f"{A}:40000", "10.0.2.2:5060", active=Active(SIP, {}))
    begun.c(TRIGGER)
    assert begun.maker.created


def test_a_forged_syn_begins_no_message() -> None:
    flow = Connection(SIP, "tcp", f"{A}:40000", "10.0.2.2:5060", active=Active(SIP, {}))
    body = "x" * 1000
    flow.c(request("MESSAGE", body, via=f"SIP/2.0/TCP {A}", kind="text/plain")[:-500])
    for seq in (flow.seq[0], flow.seq[0] + 1, 5):
        flow.send(flow.packet(TRIGGER, False, seq=seq, flags=SYN))
    assert flow.maker.created == []


def test_nothing_after_a_poisoned_stream() -> None:
    play = sip("tcp") >> by_client(invite(OFFER, via=f"SIP/2.0/TCP {A}")) << to_client(4000)
    play = play >> by_client(b"GET / HTTP/1.1\r\n\r\n") << ParseError
    assert play


@pytest.mark.parametrize("address", ["peer", "announced", "any-src"])
def test_a_neighbour_s_contact_is_not_registered(address: str) -> None:
    contacts = f"<sip:a@{X}:5066>, <sip:a@10.0.1.3:22>"
    script = by_client(register(contacts)), by_server(accepted(contacts))
    assert opened("udp", *script, address=address) == []


def test_a_server_cannot_make_the_neighbour_the_phone_s_own_address() -> None:
    forged = f"SIP/2.0/UDP {A}:40000;received={X};rport=1"
    script = (
        by_client(request("OPTIONS")),
        by_server(ok(method="OPTIONS", via=forged)),
        by_client(register(f"<sip:a@{X}:5066>")),
        by_server(accepted()),
    )
    assert {expect.server.host for expect in opened("udp", *script)} == {A}


def test_answers_to_nothing() -> None:
    for text in (ok(ANSWER), ok(OFFER), ok(ANSWER, "UPDATE"), accepted(f"<sip:a@{A}:5066>")):
        assert opened("udp", by_server(text)) == []
        assert opened("tcp", by_server(text)) == []
        assert opened("udp", by_client(text)) == []


def test_a_stream_without_a_usable_port_or_address_has_no_default() -> None:
    """CVE-2026-31427: a missing m= or a port of 0 made the kernel use what the stack held."""
    for text in (
        sdp(A), "v=0\r\n", "c=IN IP4 " + A, sdp(A, "audio 0 RTP/AVP 0"), sdp("0.0.0.0", "audio 4000 RTP/AVP 0"),
        sdp(A, "audio"), sdp(A, "audio x RTP/AVP 0"), sdp(A, "audio 4000 RTP/AVP 0|c=IN IP4 0.0.0.0"),
    ):  # fmt: skip
        assert opened("udp", by_client(invite(text))) == []


def test_a_bomb_of_streams() -> None:
    lines = [f"audio {4000 + 2 * index} RTP/AVP 0" for index in range(64)]
    ports = sum(expect.count for expect in opened("udp", by_client(invite(sdp(A, *lines)))))
    assert ports == 8
    assert opened("udp", by_client(invite(sdp(A, *lines * 3)))) == []
    assert opened("udp", by_client(invite(sdp(A, "audio 4000/100 RTP/AVP 0")))) == []


@pytest.mark.parametrize("mode", ["peer", "announced", "any-src"])
def test_only_hosts_that_a_message_names(mode: str) -> None:
    script = by_client(invite(OFFER)), by_server(ok(audio(X, 6000)))
    ends = flow_of(SIP).client.addr, flow_of(SIP).server.addr
    for expect in opened("udp", *script, address=mode):
        named = {*ends, *([] if mode == "peer" else [bytes((203, 0, 113, 9))])}
        assert {expect.client.addr, expect.server.addr} <= named


@pytest.mark.parametrize("calls", [1, 20, 5000])
@pytest.mark.parametrize("mode", ["peer", "announced"])
def test_an_attacker_s_calls_use_bounded_memory(calls: int, mode: str) -> None:
    parser = new_parser(SIP, address=mode)
    lines = [
        f"audio {{}} RTP/AVP 0|a=rtcp:{port}|c=IN IP4 {A}" for port in (5000, 5001, 5002, 5003)
    ]
    for number in range(2500):
        media = [line.format(1024 + 4 * number % 60000 + index) for index, line in enumerate(lines)]
        fields = {"call": f"c{number % calls}", "cseq": number}
        for _ in parser.feed(invite(sdp(A, *media), **fields), False):
            pass
        for _ in parser.feed(response(183, "INVITE", sdp(X, *media), **fields), True):
            pass
    assert footprint(parser) < parser.MEMORY_MAX
    assert parser.buffered < parser.MEMORY_MAX


def test_an_attacker_s_requests_without_descriptions_use_bounded_memory() -> None:
    parser = new_parser(SIP)
    for number in range(8 * 1500):
        for _ in parser.feed(request("INVITE", call=f"c{number // 8}", cseq=number), False):
            pass
    assert footprint(parser) < parser.MEMORY_MAX
    assert footprint(parser) < 1.1 * parser.buffered


@given(st.binary(max_size=300), st.booleans())
def test_any_datagram(data: bytes, reply: bool) -> None:
    parser = new_parser(SIP)
    for event in parser.feed(data, reply):
        assert isinstance(event, Refuse)


@pytest.mark.parametrize("address", ["announced", "any-src"])
@pytest.mark.parametrize("first", ["victim", "attacker"])
def test_a_neighbour_neither_takes_over_a_call_nor_ends_it(address: str, first: str) -> None:
    """It names the victim's host and port in a call of its own, and hangs up."""
    active = Active(SIP, {}, Limits(address=address))
    victim = Connection(SIP, "udp", f"{A}:5060", "10.0.2.2:5060", active=active)
    attacker = Connection(
        SIP,
        "udp",
        "10.0.1.66:5060",
        "10.0.2.2:5060",
        inspector=victim.inspector,
        maker=victim.maker,
    )
    calls = {"victim": (victim, "good"), "attacker": (attacker, "evil")}
    order = [first, *(name for name in calls if name != first)]
    for name in order:
        flow, call = calls[name]
        victim.now = attacker.now = max(victim.now, attacker.now) + 1
        flow.c(invite(OFFER, call=call))
    attacker.c(request("CANCEL", call="evil"))
    attacker.c(request("BYE", call="good", cseq=2))
    assert victim.maker.released == victim.maker.deleted == []
    masters = [e.master for e in victim.maker.created if e.tuple.dport == 4000]
    assert masters[-1] == victim.orig
    victim.c(request("CANCEL", call="good"))
    assert [tuple_.dport for tuple_ in victim.maker.released] == [4000, 4001]
