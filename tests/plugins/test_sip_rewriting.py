"""SIP through the engine: what NAT rewrites, and what it leaves alone."""

from __future__ import annotations

import pytest
from connection import Connection, FakeMaker, show
from media import text_of
from sip_messages import OFFER, SIP, audio, invite, ok, request, sdp

from fwhelpers.api import Endpoint
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.inspector import Active

PHONE, PROXY = "10.0.1.2:5060", "198.51.100.7:5060"
NAT = "192.0.2.1:1024"

INVITE = """\
INVITE sip:bob@198.51.100.7 SIP/2.0
Via: SIP/2.0/UDP 10.0.1.2:5060;rport;branch=z9hG4bK1
Max-Forwards: 70
From: "Alice" <sip:alice@10.0.1.2>;tag=1
To: <sip:bob@198.51.100.7>
Call-ID: 1@10.0.1.2
CSeq: 1 INVITE
Contact: "Alice" <sip:alice@10.0.1.2:5060;transport=udp>;+sip.instance="<urn:uuid:1>"
Record-Route: <sip:10.0.1.9;lr>, <sip:10.0.1.2;lr>
Session-Expires: 1800
Content-Type: application/sdp
Content-Length: 200

v=0
o=alice 1 1 IN IP4 10.0.1.2
s=-
c=IN IP4 10.0.1.2
t=0 0
m=audio 4000 RTP/AVP 0 8
a=rtpmap:0 PCMU/8000
a=sendrecv
m=video 4002 RTP/AVP 31
c=IN IP4 10.0.1.3
a=rtcp:4010 IN IP4 10.0.1.2
"""

#: the same as the proxy receives it
INVITE_OUTSIDE = """\
INVITE sip:bob@198.51.100.7 SIP/2.0
Via: SIP/2.0/UDP 192.0.2.1:1024;rport;branch=z9hG4bK1
Max-Forwards: 70
From: "Alice" <sip:alice@10.0.1.2>;tag=1
To: <sip:bob@198.51.100.7>
Call-ID: 1@10.0.1.2
CSeq: 1 INVITE
Contact: "Alice" <sip:alice@192.0.2.1:1024;transport=udp>;+sip.instance="<urn:uuid:1>"
Record-Route: <sip:10.0.1.9;lr>, <sip:192.0.2.1:1024;lr>
Session-Expires: 1800
Content-Type: application/sdp
Content-Length: 203

v=0
o=alice 1 1 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=audio 4000 RTP/AVP 0 8
a=rtpmap:0 PCMU/8000
a=sendrecv
m=video 4002 RTP/AVP 31
c=IN IP4 10.0.1.3
a=rtcp:4010 IN IP4 192.0.2.1
"""

RINGING = """\
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.1:1024;received=192.0.2.1;rport=1024;branch=z9hG4bK1
Record-Route: <sip:198.51.100.7;lr>
From: "Alice" <sip:alice@10.0.1.2>;tag=1
To: <sip:bob@198.51.100.7>;tag=2
Call-ID: 1@10.0.1.2
CSeq: 1 INVITE
Contact: <sip:bob@198.51.100.7:5060>
Content-Length: 0

"""

RINGING_INSIDE = RINGING.replace(
    "192.0.2.1:1024;received=192.0.2.1;rport=1024", "10.0.1.2:5060;received=10.0.1.2;rport=5060"
)


def crlf(text: str) -> bytes:
    """Return the message with the line ends of the protocol and the right Content-Length."""
    head, _, body = text.replace("\n", "\r\n").partition("\r\n\r\n")
    lines = [
        f"Content-Length: {len(body)}" if line.startswith("Content-Length") else line
        for line in head.split("\r\n")
    ]
    return "\r\n".join([*lines, "", body]).encode()


def phone(
    l4: str = "udp",
    client: str = PHONE,
    server: str = PROXY,
    nat: str = NAT,
    dnat: str = "",
    address: str = "peer",
    maker: FakeMaker | None = None,
) -> Connection:
    active = Active(SIP, {"streams": 4}, Limits(address=address))
    return Connection(
        SIP, l4, client, server, seen_client=nat, seen_server=dnat, active=active, maker=maker
    )


def test_golden_offer_and_answer() -> None:
    flow = phone()
    assert text_of(flow.c(crlf(INVITE))) == crlf(INVITE_OUTSIDE)
    assert text_of(flow.s(crlf(RINGING))) == crlf(RINGING_INSIDE)
    assert [show(e.tuple) for e in flow.maker.created[:3]] == [
        "198.51.100.7 > 192.0.2.1:4000",
        "198.51.100.7 > 192.0.2.1:4001",
        "198.51.100.7 > 192.0.2.1:4010",
    ]


def test_golden_over_tcp() -> None:
    flow = phone("tcp", client="10.0.1.2:5060")
    assert text_of(flow.c(crlf(INVITE)), "tcp") == crlf(INVITE_OUTSIDE)
    assert text_of(flow.s(crlf(RINGING)), "tcp") == crlf(RINGING_INSIDE)


def test_without_nat_nothing_is_rewritten() -> None:
    flow = phone(nat="")
    assert text_of(flow.c(crlf(INVITE))) == b""
    assert text_of(flow.s(crlf(RINGING))) == b""


def test_ports_that_are_taken_are_replaced_in_pairs() -> None:
    """The pair stays consecutive, and the description names it."""
    flow = phone(maker=FakeMaker(errors=lambda e: 17 * (e.tuple.dport in (4000, 4001, 4003))))
    rewritten = text_of(flow.c(invite(audio("10.0.1.2", 4000))))
    opened = [e.tuple.dport for e in flow.maker.created if e.tuple not in flow.maker.deleted]
    first, second = opened[-2:]
    assert second == first + 1
    assert not {first, second} & {4000, 4001, 4003}
    assert b"m=audio %d RTP" % first in rewritten
    assert {e.nat.sport for e in flow.maker.created[-2:] if e.nat} == {4000, 4001}


def test_a_call_to_a_phone_behind_nat() -> None:
    """The Request-URI names the translated Contact."""
    flow = phone()
    text = request("INVITE").replace(b"sip:b@example.org SIP", b"sip:a@192.0.2.1:1024 SIP")
    assert b"INVITE sip:a@10.0.1.2:5060 SIP/2.0" in text_of(flow.s(text))


@pytest.mark.parametrize("name", ["Authorization", "Proxy-Authorization"])
def test_a_request_uri_that_a_digest_covers_stays(name: str) -> None:
    flow = phone(server="10.9.0.1:5060", dnat="198.51.100.7:5060", nat="")
    text = request("OPTIONS").replace(b"sip:b@example.org SIP", b"sip:b@198.51.100.7 SIP")
    assert b"OPTIONS sip:b@10.9.0.1 SIP" in text_of(flow.c(text))
    digest = f'{name}: Digest username="a", uri="sip:b@198.51.100.7", response="1"\r\n'.encode()
    assert text_of(flow.c(text.replace(b"From:", digest + b"From:"))) == b""


def test_a_proxy_behind_dnat_is_named_by_its_public_address() -> None:
    flow = phone(server="10.9.0.1:5060", dnat="198.51.100.7:5060", nat="")
    flow.c(invite(OFFER))
    text = ok(audio("10.9.0.1", 6000), contact="<sip:b@10.9.0.1>")
    rewritten = text_of(flow.s(text))
    assert b"Contact: <sip:b@198.51.100.7>" in rewritten
    assert rewritten.count(b"IN IP4 198.51.100.7") == 2
    assert show(flow.maker.created[-1].tuple) == "10.0.1.2 > 198.51.100.7:6001"


@pytest.mark.parametrize(
    "text",
    [
        # what is public already: the phone did its own traversal
        request(
            "OPTIONS", via="SIP/2.0/UDP 192.0.2.1:1024;rport", contact="<sip:a@192.0.2.1:1024>"
        ),
        # other hosts, names
        request("OPTIONS", via="SIP/2.0/UDP 10.0.1.9;rport", contact="<sip:a@phone.example.org>"),
        request("OPTIONS", via="SIP/2.0/UDP example.org;rport", contact="*"),
    ],
)
def test_what_stays(text: bytes) -> None:
    assert text_of(phone().c(text)) == b""


def test_a_description_of_an_agent_with_ice_stays_and_opens_nothing() -> None:
    flow = phone()
    candidate = "a=candidate:1 1 UDP 2130706431 10.0.1.2 4000 typ host"
    text = invite(audio("10.0.1.2", 4000, candidate), via="SIP/2.0/UDP example.org;rport")
    assert text_of(flow.c(text)) == b""
    assert flow.maker.created == []
    plain = phone(nat="")
    plain.c(text)
    assert [e.tuple.dport for e in plain.maker.created] == [4000, 4001]


def test_a_hold_stays_a_hold() -> None:
    text = invite(audio("0.0.0.0", 4000), via="SIP/2.0/UDP example.org;rport")
    assert text_of(phone().c(text)) == b""


def test_msrp_is_named_in_its_path_too() -> None:
    flow = phone()
    path = "a=path:msrp://10.0.1.2:7394/s;tcp"
    text = invite(sdp("10.0.1.2", f"message 7394 TCP/MSRP *|a=setup:passive|{path}"))
    rewritten = text_of(flow.c(text))
    assert b"a=path:msrp://192.0.2.1:7394/s;tcp\r\n" in rewritten


def test_a_message_over_tcp_in_two_segments_stays_well_formed() -> None:
    """A length that has passed can't be corrected, and then the body stays as it is; otherwise it is rewritten."""
    contact = "<sip:a@10.0.1.2>"
    text = invite(audio("10.0.1.2", 4000), via="SIP/2.0/TCP 10.0.1.2:5060", contact=contact)
    for cut in range(1, len(text)):
        flow = phone("tcp")
        received = b""
        for piece in (text[:cut], text[cut:]):
            received += text_of(flow.c(piece), "tcp") or piece
        head, _, body = received.partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in head, cut
        assert (b"10.0.1.2" in body) == (cut > text.index(b"Content-Length: ") + 16), cut


def test_ipv6_over_tcp_keeps_its_length() -> None:
    client, nat = "[fd01::2]:5060", "[2001:db8::1]:5060"
    flow = phone("tcp", client, "[2001:db8:5::7]:5060", nat)
    text = invite(
        audio("fd01::2", 4000), via="SIP/2.0/TCP [fd01::2]:5060", contact="<sip:a@[fd01::2]:5060>"
    )
    verdict = flow.c(text)
    assert text_of(verdict, "tcp") in (b"", text) or len(text_of(verdict, "tcp")) == len(text)
    longer = phone("tcp", "[fd01:0:0:0:1:2:3:4]:5060", "[2001:db8:5::7]:5060", nat)
    old, new = "fd01::1:2:3:4", "2001:db8::001"
    text = text.replace(b"fd01::2", old.encode()).replace(b"Length: 133", b"Length: 145")
    rewritten = longer.c(text).payload
    assert rewritten is not None
    assert rewritten.count(b"2001:0db8::01") + rewritten.count(new.encode()) == 4
    assert b"fd01" not in rewritten


def test_announced_media_of_another_host_keep_its_address() -> None:
    flow = phone(address="announced")
    flow.c(invite(audio("10.0.1.2", 4000)))
    text = ok(audio("203.0.113.9", 6000))
    assert b"203.0.113.9" in (text_of(flow.s(text)) or text)
    by_source = {Endpoint(e.tuple.src).host: e for e in flow.maker.created}
    assert show(by_source["203.0.113.9"].tuple) == "203.0.113.9 > 192.0.2.1:4001"
    assert by_source["203.0.113.9"].fn == "sip"
    assert by_source["198.51.100.7"].fn == "nat-follow-master"


def test_a_registered_port_is_translated() -> None:
    flow = phone()
    register = request("REGISTER", contact="<sip:a@10.0.1.2:5066>")
    assert b"<sip:a@192.0.2.1:5066>" in text_of(flow.c(register))
    verdict = flow.s(ok(method="REGISTER", contact="<sip:a@192.0.2.1:5066>;expires=60"))
    assert b"<sip:a@10.0.1.2:5066>;expires=60" in text_of(verdict)
    assert verdict.expectation is not None
    assert show(verdict.expectation.tuple) == "198.51.100.7 > 192.0.2.1:5066"
    assert (verdict.expectation.helper, verdict.expectation.timeout) == ("fw-sip", 60)


@pytest.mark.parametrize("by_server", [False, True])
def test_either_end_s_bye_deletes_both_ends_expectations(by_server: bool) -> None:
    flow = phone()
    flow.c(invite(audio("10.0.1.2", 4000)))
    flow.s(ok(audio("198.51.100.7", 6000)))
    flow.now += 10
    flow.say(request("BYE", cseq=2), by_server)
    assert {tuple_.dport for tuple_ in flow.maker.deleted + flow.maker.released} >= {
        4000, 4001, 6000, 6001,
    }  # fmt: skip
