"""Awkward messages in the manner of RFC 4475: legal ones open what they announce, others do not end the inspection."""

from __future__ import annotations

import pytest
from sip_messages import (
    ANSWER,
    OFFER,
    A,
    again,
    audio,
    by_client,
    by_server,
    invite,
    request,
    response,
    sip,
    to_client,
    to_server,
)

from fwhelpers.api import Expect, Refuse
from fwhelpers.testing.invariants import run, single_bytes
from fwhelpers.testing.playbook import new_parser

TRANSPORTS = ["udp", "tcp"]
BODY = audio(A, 4000)
#: §3.1.1.1: folded fields, blanks before colons, compact names, leading zeros, parameters without meaning
TORTUOUS = f"""INVITE sip:victor@example.com;strange-param SIP/2.0
TO :
 sip:victor@example.com ;   tag    = 191
from   : "J R \\\\\\""       <sip:jr@example.com>
  ;
  tag = 98a
MaX-fOrWaRdS: 0068
Call-ID: call-1
Content-Length   : 00{len(BODY)}
cseq: 0001
  INVITE
Via  : SIP  /   2.0
 /UDP
    {A}:40000;branch=390skdjuw
s :
NewField:   new value
 continued
OtherField: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:services.example.com;lr;unknown=value;no-value>
v:  SIP  / 2.0  / TCP     spindle.example.com   ;
  branch  =   z9hG4bK9 ,
 SIP  /    2.0   / UDP  192.168.255.111   ; branch=
 z9hG4bK3
m:"Quoted string \\"\\"" <sip:jr@example.com> ; new =
      value ;
  second ; q = 0.33

""".replace("\n", "\r\n")
#: §3.1.1.2: all characters that a token may have
METHOD = "!interesting-Method0123456789_*+`.%indeed'~"


@pytest.mark.parametrize("l4", TRANSPORTS)
def test_folded_and_padded_fields(l4: str) -> None:
    assert sip(l4) >> by_client((TORTUOUS + BODY).encode()) << to_client(4000)


@pytest.mark.parametrize("l4", TRANSPORTS)
def test_unusual_characters(l4: str) -> None:
    uri = "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com"
    text = request(METHOD).replace(b"sip:b@example.org", uri.encode(), 1)
    text = text.replace(b"call-1", b"intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{")
    play = sip(l4) >> by_client(text) >> by_client(invite(OFFER))
    assert play << to_client(4000)


@pytest.mark.parametrize("l4", TRANSPORTS)
@pytest.mark.parametrize("start", [b"SIP/2.0 200 ", b"SIP/2.0 200", b"SIP/2.0 200 = 2**3 \xd0\xbd"])
def test_reasons(l4: str, start: bytes) -> None:
    """§3.1.1.12, §3.1.1.13: in any script, or none."""
    answer = response(200, "INVITE", ANSWER).replace(b"SIP/2.0 200 Reason", start, 1)
    play = sip(l4) >> by_client(invite(OFFER)) << to_client(4000) >> by_server(answer)
    assert play << again(to_client(4000)) << to_server(6000)


WRONG = {
    "§3.1.2.1, a field without a value": request("OPTIONS").replace(b"CSeq: 1 OPTIONS", b"CSeq:"),
    "§3.1.2.4, a number that is too large": request("OPTIONS").replace(
        b"CSeq: 1", b"CSeq: 36893488147419103232"
    ),
    "§3.1.2.17, another method in CSeq": request("OPTIONS").replace(b"1 OPTIONS", b"1 INVITE"),
    "§3.3.1, fields missing": request("OPTIONS").replace(b"Call-ID", b"X-Call-ID"),
    "§3.3.8, fields that occur twice": request("OPTIONS", extra="CSeq: 8 OPTIONS\r\nTo: <sip:a@b>"),
    "more fields than are read": request("OPTIONS", extra="Via: SIP/2.0/UDP a\r\n" * 200),
    "with a body that would be a message": request("OPTIONS", invite(OFFER).decode()).replace(
        b"Call-ID", b"X-Call-ID"
    ),
}


@pytest.mark.parametrize("l4", TRANSPORTS)
@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_message_does_not_end_the_inspection(wrong: bytes, l4: str) -> None:
    """A proxy passes it on, and the calls that share the connection go on."""
    play = sip(l4) >> by_client(invite(OFFER)) << to_client(4000)
    play >> by_client(wrong) << Refuse
    assert play >> by_server(response(200, "INVITE", ANSWER)) << again(to_client(4000)) << Expect
    play = sip(l4) >> by_client(wrong) << Refuse  # as the first message of the connection too
    assert play >> by_client(invite(OFFER)) << to_client(4000)


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_wrong_messages_byte_by_byte(wrong: bytes) -> None:
    script = [by_client(wrong + invite(OFFER)), by_server(response(200, "INVITE", ANSWER))]
    whole, bytewise = (new_parser(sip("tcp")._helper, sip("tcp").flow) for _ in range(2))
    assert run(whole, script) == run(bytewise, script, single_bytes)
