"""Bodies: multipart, encodings, datagrams that are cut, and descriptions that cannot be read."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.sip.bodies import MAX_PARTS, descriptions
from hypothesis import given
from hypothesis import strategies as st
from sip_messages import OFFER, A, audio, by_client, invite, request, sdp, sip, to_client

from fwhelpers.api import Refuse

PLAIN = "--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
PART = f"--b\r\nContent-Type: application/sdp\r\n\r\n{OFFER}\r\n"
MIXED = "multipart/mixed;boundary=b"
NESTED = (
    "--b\r\nContent-Type: multipart/alternative;\r\n boundary=in\r\n\r\n"
    + PART.replace("--b", "--in")
    + "--in--\r\n--b--"
)
NO_MESSAGES = [
    b"", b"\r\n\r\n", b"\0", b"jaK", b"\0\1\0\0\x21\x12\xa4\x42" + bytes(12), b"hello\r\n",
    b"POST / HTTP/1.1\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MIXED, PLAIN + PART + "--b--\r\n"),
        (MIXED, PART + PLAIN + "--b--\r\n"),
        (MIXED, "preamble\r\n" + PART),
        (MIXED, PART.replace("Content-Type", "c")),
        (MIXED, PART.replace("\r\n", "\n")),
        ('Multipart/Related ; x=y; boundary="b"; type=z', PART + "--b--"),
        ("multipart/mixed;\r\n boundary=b", PART),
        (MIXED, NESTED),
    ],
)  # fmt: skip
def test_multipart(kind: str, body: str) -> None:
    assert sip() >> by_client(invite(body, kind=kind)) << to_client(4000)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MIXED, PLAIN), (MIXED, ""), (MIXED, "--b"), (MIXED, "--b--\r\n" + PART), ("multipart/mixed", PART),
        (MIXED, PART.replace("--b\r\n", "--b\r\nContent-Encoding: gzip\r\n")),
        (MIXED, PART.replace("--b\r\n", "--b\r\nContent-Transfer-Encoding: base64\r\n")),
        (MIXED, PART.replace("Content-Type: application/sdp", "X: y")),
        ("text/plain", OFFER), ("application/sdpfrag", OFFER), ("application/isup", OFFER),
    ],
)  # fmt: skip
def test_no_description(kind: str, body: str) -> None:
    assert sip() >> by_client(invite(body, kind=kind))


def test_the_boundary_ends_a_description() -> None:
    body = (
        "--b\r\nContent-Type: application/sdp\r\n\r\n"
        + audio(A, 4000)
        + "--b\r\n\r\nm=audio 5000 RTP/AVP 0\r\n--b--"
    )
    assert sip() >> by_client(invite(body, kind=MIXED)) << to_client(4000)


def test_many_parts_and_depths_are_bounded() -> None:
    body = (PLAIN * MAX_PARTS + PART).encode()
    assert list(descriptions(MIXED.encode(), body, (0, len(body)))) == []
    nested = OFFER
    kind = "application/sdp"
    for level in range(5):
        nested = f"--{level}\r\nContent-Type: {kind}\r\n\r\n{nested}\r\n--{level}--\r\n"
        kind = f"multipart/mixed;boundary={level}"
    assert list(descriptions(kind.encode(), nested.encode(), (0, len(nested)))) == []


def test_an_encoded_body() -> None:
    assert sip() >> by_client(invite(OFFER, extra="Content-Encoding: gzip"))
    assert sip() >> by_client(invite(OFFER, extra="e: identity")) << to_client(4000)


def test_a_datagram_without_a_length_is_all_body() -> None:
    text = invite(OFFER)
    length = b"Content-Length: %d\r\n" % len(OFFER)
    assert length in text
    assert sip() >> by_client(text.replace(length, b"")) << to_client(4000)


def test_bytes_behind_the_body_do_not_count() -> None:
    text = invite(OFFER) + b"m=video 5000 RTP/AVP 0\r\n"
    assert sip() >> by_client(text) << to_client(4000)


def test_a_datagram_that_ends_within_its_body() -> None:
    play = sip() >> by_client(invite(OFFER)[:-1]) << Refuse
    assert play >> by_client(invite(OFFER)) << to_client(4000)


def test_an_unreadable_description_is_reported() -> None:
    play = sip() >> by_client(invite("hello")) << Refuse
    assert isinstance(play.last, Refuse)
    assert play.last.rule == "G11"
    assert sip() >> by_client(invite("hello", kind="text/plain"))


def test_streams_without_an_address_or_a_known_transport_open_nothing() -> None:
    for text in (
        "v=0\r\nm=audio 4000 RTP/AVP 0\r\n",
        "v=0\r\nc=IN IP4 host.example.org\r\nm=audio 4000 RTP/AVP 0\r\n",
        sdp(A, "audio 0 RTP/AVP 0"),
        sdp(A, "audio 4000 DCCP/RTP/AVP 0"),
        sdp(A, "audio 99999 RTP/AVP 0"),
    ):
        assert sip() >> by_client(invite(text))


@pytest.mark.parametrize("datagram", NO_MESSAGES)
def test_what_else_passes_over_udp(datagram: bytes) -> None:
    assert sip() >> by_client(datagram) >> by_client(invite(OFFER)) << to_client(4000)


def test_line_ends_before_a_datagram_s_message() -> None:
    assert sip() >> by_client(b"\r\n\r\n" + invite(OFFER)) << to_client(4000)


def test_a_request_whose_cseq_names_another_method() -> None:
    text = request("INVITE", OFFER).replace(b"1 INVITE", b"1 BYE")
    play = sip() >> by_client(text) << Refuse
    assert play


@given(st.text("-b\r\n:; ctype=/axsdpm", max_size=200))
def test_any_body(text: str) -> None:
    body = text.encode()
    for begin, end in descriptions(b"multipart/mixed; boundary=b", body, (0, len(body))):
        assert 0 <= begin <= end <= len(body)
