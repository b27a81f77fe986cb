"""SIP over TCP: framing, bodies, and what is no SIP."""

from __future__ import annotations

import pytest
from sip_messages import (
    ANSWER,
    OFFER,
    A,
    again,
    by_client,
    by_server,
    invite,
    message,
    ok,
    request,
    sip,
    to_client,
    to_server,
)

from fwhelpers.api import ParseError, Refuse
from fwhelpers.testing.playbook import Message

VIA = f"SIP/2.0/TCP {A}:5060;branch=z9hG4bK1"
INVITE = invite(OFFER, via=VIA)


def test_messages_in_any_cut() -> None:
    """A 200 may begin in the middle of a segment, and end in the next."""
    ringing = message("SIP/2.0 180 Ringing", "INVITE", 1, "", via=VIA)
    answer = ok(ANSWER, via=VIA)
    for cut in range(1, len(ringing + answer)):
        play = sip("tcp") >> by_client(INVITE) << to_client(4000)
        play = play >> by_server((ringing + answer)[:cut]) >> by_server((ringing + answer)[cut:])
        assert play << again(to_client(4000)) << to_server(6000)


def test_single_bytes() -> None:
    play = sip("tcp")
    for byte in INVITE[:-1]:
        play = play >> by_client(bytes([byte]))
    assert play >> by_client(INVITE[-1:]) << to_client(4000)


def test_several_messages_in_one_segment() -> None:
    play = sip("tcp") >> by_client(INVITE + invite(OFFER, cseq=2, via=VIA))
    assert play << to_client(4000) << to_client(4000)


@pytest.mark.parametrize("keep_alive", [b"\r\n", b"\r\n\r\n", b"\n", b"\r\n" * 50])
def test_line_ends_before_a_start_line(keep_alive: bytes) -> None:
    play = sip("tcp") >> by_client(keep_alive + INVITE) << to_client(4000)
    assert play >> by_client(keep_alive) >> by_client(INVITE) << to_client(4000)


def test_a_body_that_is_no_description_is_skipped() -> None:
    inner = INVITE.decode()
    for kind in ("text/plain", "application/sdp"):
        # neither method nor type make a description of it, whatever it contains
        text = message("MESSAGE sip:b@example.org SIP/2.0", "MESSAGE", 1, inner, via=VIA, kind=kind)
        assert sip("tcp") >> by_client(text) >> by_client(INVITE) << to_client(4000)


def test_a_long_body_is_skipped_without_being_kept() -> None:
    size = 2_000_000
    text = request("INVITE", "x", via=VIA).replace(b"Length: 1", b"Length: %d" % size)
    play = sip("tcp") >> by_client(text[:-1])
    for _ in range(size // 50_000):
        play = play >> by_client(bytes(50_000))
        assert play._parser.buffered < 4096
    assert play >> by_client(INVITE) << to_client(4000)


@pytest.mark.parametrize(
    "length",
    [b"4294967296", b"4294967673", b"-1", b"+1", b"1_0", b"0x10", b"", b"1 1", b"9" * 400],
)
def test_a_length_that_does_not_fit(length: bytes) -> None:
    """CVE-2026-23457: a length that is cut to 32 bits makes a message of what follows."""
    text = request("OPTIONS", via=VIA).replace(b"Content-Length: 0", b"Content-Length: " + length)
    play = sip("tcp") >> by_client(text) << ParseError
    assert play


def test_leading_zeros_of_a_length() -> None:
    text = INVITE.replace(b"Content-Length: ", b"l : 000000000000")
    assert sip("tcp") >> by_client(text + INVITE) << to_client(4000) << to_client(4000)


def test_a_folded_length() -> None:
    text = INVITE.replace(b"Content-Length: ", b"Content-Length:\r\n  ")
    assert sip("tcp") >> by_client(text + INVITE) << to_client(4000) << to_client(4000)


@pytest.mark.parametrize("lengths", ["Content-Length: 0", "l: 5", "content-length: 1"])
def test_two_lengths(lengths: str) -> None:
    text = invite(OFFER, via=VIA, extra=lengths)
    play = sip("tcp") >> by_client(text) << ParseError
    assert play


def test_no_length() -> None:
    text = request("OPTIONS", via=VIA).replace(b"Content-Length: 0\r\n", b"")
    play = sip("tcp") >> by_client(text) << ParseError
    assert play


@pytest.mark.parametrize(
    "opening",
    [
        b"POST / HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n", b"OPTIONS * HTTP/1.1\r\n", b"PUT sip:a HTTP/1.1\r\n",
        b"SSH-2.0-x\r\n", b"EHLO x\r\n", b"PLAY rtsp://x RTSP/1.0\r\n", b"HTTP/1.1 200 OK\r\n", b"SIP/2.0 999 No\r\n",
        b"SIP/2.0 2000 No\r\n", b"INVITE sip:a SIP/3.0\r\n", b" INVITE sip:a SIP/2.0\r\n", b"INVITE  SIP/2.0\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\n", b"\0\0\0\x20\n", b"\x01\x01\0\0\x21\x12\xa4\x42\n",
    ],
)  # fmt: skip
@pytest.mark.parametrize("reply", [False, True])
def test_another_protocol_s_opening_ends_the_inspection(opening: bytes, reply: bool) -> None:
    play = sip("tcp") >> Message(opening, reply) << ParseError
    assert play


def test_a_start_line_without_an_end() -> None:
    play = sip("tcp") >> by_client(b"A" * 8192)
    play = play >> by_client(b"A") << ParseError
    assert play


def test_a_head_without_an_end() -> None:
    play = sip("tcp") >> by_client(b"INVITE sip:b SIP/2.0\r\n" + b"A: b\r\n" * 5_000)
    play = play >> by_client(b"A: b\r\n" * 500) << ParseError
    assert play


@pytest.mark.parametrize("missing", [b"Via", b"Call-ID", b"CSeq", b"From", b"To"])
def test_a_head_without_a_mandatory_field(missing: bytes) -> None:
    lines = [line for line in INVITE.split(b"\r\n") if not line.startswith(missing + b":")]
    for l4 in "tcp", "udp":
        play = sip(l4) >> by_client(b"\r\n".join(lines)) << Refuse
        assert play >> by_client(invite(OFFER)) << to_client(4000)


def test_bare_line_feeds_and_compact_names() -> None:
    text = INVITE.replace(b"\r\n", b"\n")
    text = text.replace(
        b"Content-Length: %d" % len(OFFER), b"l:%d" % len(OFFER.replace("\r\n", "\n"))
    )
    compact = {b"Via": b"v", b"From": b"F", b"To:": b"t:", b"Call-ID": b"i", b"Content-Type": b"c"}
    for long, short in compact.items():
        text = text.replace(long, short)
    assert sip("tcp") >> by_client(text) << to_client(4000)


def test_a_field_s_name_counts_at_the_beginning_of_a_line_alone() -> None:
    text = INVITE.replace(
        b"From:", b"Subject: x\r\n Content-Length: 0\r\n\tl: 0\r\nX-l: 0\r\nFrom:"
    )
    assert sip("tcp") >> by_client(text) << to_client(4000)
