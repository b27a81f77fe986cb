from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Endpoint, ParseError
from fwhelpers.sansio import sdp

OFFER = (
    b"v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 49170 RTP/AVP 0 8\r\na=rtcp:53020\r\na=rtpmap:0 PCMU/8000\r\n"
    b"m=video 51372/2 rtp/savpf 31\r\nc=IN IP6 2001:DB8::1\r\na=rtcp-mux\r\na=sendonly\r\n"
    b"a=rtcp:51999 IN IP6 2001:db8::2\r\n"
    b"m=image 0 udptl t38\r\n"
)


def text(data: bytes, span: sdp.Span) -> bytes:
    return data[slice(*span)]


def media(lines: bytes, session: bytes = b"") -> sdp.Media:
    (stream,) = sdp.parse(b"v=0\r\n" + session + lines).media
    return stream


def test_streams() -> None:
    audio, video, image = sdp.parse(OFFER).media
    assert (audio.kind, audio.port.number, audio.count, audio.proto) == (
        b"audio", 49170, 1, b"RTP/AVP",
    )  # fmt: skip
    assert (video.kind, video.port.number, video.count, video.proto) == (
        b"video", 51372, 2, b"RTP/SAVPF",
    )  # fmt: skip
    assert (image.kind, image.port.number, image.proto) == (b"image", 0, b"UDPTL")
    assert [stream.direction for stream in (audio, video)] == ["sendrecv", "sendonly"]


def test_a_stream_without_an_address_has_the_session_s() -> None:
    audio, video, _ = sdp.parse(OFFER).media
    assert audio.connection
    assert video.connection
    assert audio.connection.addr == Endpoint.parse("192.0.2.1").addr
    assert video.connection.addr == Endpoint.parse("2001:db8::1").addr


def test_the_session_s_address_may_follow_the_media() -> None:
    # the address belongs to the section in which it stands, however late
    stream = media(b"m=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.9\r\n")
    assert stream.connection
    assert stream.connection.addr == Endpoint.parse("192.0.2.9").addr
    assert media(b"m=audio 4000 RTP/AVP 0\r\n").connection is None


def test_every_address_and_port_has_its_position() -> None:
    prefix = b"INVITE sip:bob@example.org SIP/2.0\r\n\r\n"
    data = prefix + OFFER + b"--boundary"
    parsed = sdp.parse(data, len(prefix), len(prefix) + len(OFFER))
    assert [text(data, address.span) for address in parsed.addresses] == [
        b"192.0.2.1", b"192.0.2.1", b"2001:DB8::1", b"2001:db8::2",
    ]  # fmt: skip
    audio, video, _ = parsed.media
    ports = [stream.port for stream in parsed.media]
    assert [text(data, port.span) for port in ports] == [b"49170", b"51372", b"0"]
    assert audio.rtcp
    assert text(data, audio.rtcp.port.span) == b"53020"
    assert video.rtcp
    assert text(data, video.rtcp.port.span) == b"51999"
    assert parsed.origin == parsed.addresses[0]


def test_rtcp_elsewhere() -> None:
    audio, video, image = sdp.parse(OFFER).media
    assert audio.rtcp
    assert (audio.rtcp.port.number, audio.rtcp.address, audio.rtcp_mux) == (53020, None, False)
    assert video.rtcp
    assert video.rtcp.address
    assert video.rtcp.address.addr == Endpoint.parse("2001:db8::2").addr
    assert video.rtcp_mux
    assert image.rtcp is None


@pytest.mark.parametrize("value", [b"", b"x", b"65536", b"123456", b"-1", b"4001 IN IP4", b"40 01"])
def test_an_unreadable_rtcp_attribute_counts_as_none_or_has_no_address(value: bytes) -> None:
    stream = media(b"m=audio 4000 RTP/AVP 0\r\na=rtcp:" + value + b"\r\n")
    assert stream.rtcp is None or (stream.rtcp.port.number, stream.rtcp.address) == (4001, None)


def test_bare_line_feeds() -> None:
    data = OFFER.replace(b"\r\n", b"\n")
    assert [stream.port.number for stream in sdp.parse(data).media] == [49170, 51372, 0]


def test_any_order_and_unknown_lines() -> None:
    data = b"m=audio 4000 RTP/AVP 0\nz=?\nX=1\nno line at all\nc=IN IP4 192.0.2.1\nv=0\n"
    (stream,) = sdp.parse(data).media
    assert stream.connection
    assert stream.port.number == 4000


def test_a_trailing_line_without_an_end_counts() -> None:
    assert media(b"m=audio 4000 RTP/AVP 0").port.number == 4000


@pytest.mark.parametrize(
    "line",
    [
        b"m=audio 70000 RTP/AVP 0", b"m=audio 4294971296 RTP/AVP 0", b"m=audio -4000 RTP/AVP 0",
        b"m=audio 4000", b"m=audio", b"m=", b"m=audio 4000/0 RTP/AVP 0", b"m=audio +4000 RTP/AVP 0",
        b"m=audio 40 00 RTP/AVP 0"[:10], b"m=audio 4000/ RTP/AVP 0", b"m=audio 0x10 RTP/AVP 0",
    ],
)  # fmt: skip
def test_an_unreadable_stream_announces_nothing_but_keeps_its_place(line: bytes) -> None:
    parsed = sdp.parse(b"v=0\r\n" + line + b"\r\nm=video 4002 RTP/AVP 0\r\n")
    assert [stream.port.number for stream in parsed.media] == [0, 4002]


@pytest.mark.parametrize(
    "line",
    [
        b"c=IN IP4 example.org", b"c=IN IP4 2001:db8::1", b"c=IN IP6 192.0.2.1", b"c=IN IP4 1.2.3",
        b"c=IN IP4 1.2.3.256", b"c=IN IP6 fe80::1%eth0", b"c=IN IP4 \xff",
    ],
)  # fmt: skip
def test_a_name_or_a_wrong_family_is_an_empty_address(line: bytes) -> None:
    stream = media(line + b"\r\nm=audio 4000 RTP/AVP 0\r\n")
    assert stream.connection
    assert stream.connection.addr == b""
    assert not stream.connection.unspecified


@pytest.mark.parametrize("line", [b"c=", b"c=ATM NSAP 47.0091", b"c=IN IP5 1.2.3.4", b"c=IN"])
def test_an_unreadable_address_line_is_none(line: bytes) -> None:
    assert media(line + b"\r\nm=audio 4000 RTP/AVP 0\r\n").connection is None


def test_the_time_to_live_is_no_part_of_the_address() -> None:
    data = b"v=0\r\nc=IN IP4 224.2.36.42/127/3\r\nm=audio 4000 RTP/AVP 0\r\n"
    (address,) = sdp.parse(data).addresses
    assert text(data, address.span) == b"224.2.36.42"


def test_the_author_s_name_may_have_blanks() -> None:
    data = b"v=0\r\no=My phone 1 2 IN IP4 192.0.2.7 \r\nm=audio 4000 RTP/AVP 0\r\n"
    origin = sdp.parse(data).origin
    assert origin
    assert text(data, origin.span) == b"192.0.2.7"


@pytest.mark.parametrize("value", [b"c=IN IP4 0.0.0.0\r\n", b"c=IN IP6 ::\r\n"])
def test_an_unspecified_address(value: bytes) -> None:
    stream = media(b"m=audio 4000 RTP/AVP 0\r\n" + value)
    assert stream.connection
    assert stream.connection.unspecified


def test_attributes_of_the_session_hold_for_its_streams() -> None:
    session = b"a=sendonly\r\na=setup:passive\r\na=connection:existing\r\na=ice-ufrag:x\r\n"
    stream = media(b"m=audio 4000 RTP/AVP 0\r\n", session)
    assert (stream.direction, stream.setup, stream.existing, stream.ice) == (
        "sendonly", "passive", True, True,
    )  # fmt: skip
    assert media(b"m=audio 4000 RTP/AVP 0\r\na=inactive\r\n", session).direction == "inactive"


@pytest.mark.parametrize(
    ("proto", "l4", "rtp"),
    [
        (b"RTP/AVP", "udp", True), (b"rtp/savpf", "udp", True), (b"UDP/TLS/RTP/SAVPF", "udp", True),
        (b"udptl", "udp", False), (b"TCP/MSRP", "tcp", False), (b"TCP/RTP/AVP", "tcp", True),
        (b"UDP/BFCP", "udp", False), (b"DTLS/SCTP", "udp", False), (b"DCCP/RTP/AVP", "", True),
    ],
)  # fmt: skip
def test_transports(proto: bytes, l4: str, rtp: bool) -> None:
    stream = media(b"m=audio 4000 " + proto + b" 0\r\n")
    assert (stream.l4, stream.rtp) == (l4, rtp)


def test_ice_is_recognised() -> None:
    candidate = b"a=candidate:1 1 UDP 2130706431 10.0.1.1 8998 typ host\r\n"
    assert sdp.parse(b"v=0\r\nm=audio 4000 RTP/AVP 0\r\n" + candidate).ice
    assert not sdp.parse(OFFER).ice


@pytest.mark.parametrize(
    ("uri", "end"),
    [
        (b"msrp://192.0.2.1:7394/2s93i9;tcp", Endpoint.parse("192.0.2.1", 7394)),
        (b"msrps://a@192.0.2.1:7394/x;tcp msrp://198.51.100.1:1/y;tcp", Endpoint.parse("192.0.2.1", 7394)),
        (b"msrp://[2001:db8::1]:7394/x;tcp", Endpoint.parse("2001:db8::1", 7394)),
    ],
)  # fmt: skip
def test_where_msrp_connects_to(uri: bytes, end: Endpoint) -> None:
    data = b"v=0\r\nm=message 7394 TCP/MSRP *\r\na=path:" + uri + b"\r\n"
    path = sdp.parse(data).media[0].path
    assert path
    assert path.endpoint == end
    assert text(data, path.span) == str(end).encode()


@pytest.mark.parametrize(
    "uri", [b"msrp://example.org:7394/x", b"msrp://1.2.3.4/x", b"msrp://:1/x", b"x"]
)
def test_no_path(uri: bytes) -> None:
    assert media(b"m=message 7394 TCP/MSRP *\r\na=path:" + uri + b"\r\n").path is None


@pytest.mark.parametrize("data", [b"", b"\r\n", b"hello", b"<xml/>", b"v 0", b"V=0\r\n"])
def test_no_description(data: bytes) -> None:
    with pytest.raises(ParseError):
        sdp.parse(data)


def test_bounds() -> None:
    stream = b"m=audio 4000 RTP/AVP 0\r\n"
    assert len(sdp.parse(stream * sdp.MAX_MEDIA).media) == sdp.MAX_MEDIA
    with pytest.raises(ParseError, match="streams"):
        sdp.parse(stream * (sdp.MAX_MEDIA + 1))
    with pytest.raises(ParseError, match="addresses"):
        sdp.parse(b"c=IN IP4 192.0.2.1\r\n" * (sdp.MAX_ADDRESSES + 1))
    with pytest.raises(ParseError, match="bytes"):
        sdp.parse(b"v=0\r\n" + b"a" * sdp.MAX_SIZE)


def test_writing_addresses() -> None:
    end = Endpoint.parse("2001:db8::1", 4000)
    assert sdp.encode_address(end) == b"2001:db8::1"
    assert sdp.fit_address(end, 13) == b"2001:0db8::01"
    assert sdp.fit_address(Endpoint.parse("192.0.2.1"), 10) is None


def test_writing_ports() -> None:
    end = Endpoint.parse("192.0.2.1", 4000)
    assert sdp.encode_port(end) == b"4000"
    assert [sdp.fit_port(end, size) for size in (3, 4, 5, 6)] == [None, b"4000", b"04000", None]


pieces = st.sampled_from(
    [
        b"v=0", b"\r\n", b"\n", b"\r", b"m=audio ", b"4000", b"/2", b" ", b"\t", b"RTP/AVP", b"TCP/MSRP",
        b"c=IN IP4 ", b"o=- 1 1 IN IP6 ", b"192.0.2.1", b"2001:db8::1", b"a=rtcp:", b" IN IP4 ", b"99999",
        b"a=path:msrp://", b"[", b"]", b":", b"a=setup:active", b"a=candidate:1", b"=", b"\x00", b"\xff",
    ]
)  # fmt: skip
texts = st.lists(pieces, max_size=40).map(b"".join)


@given(st.one_of(st.binary(max_size=200), texts, texts.map(lambda lines: b"v=0\r\n" + lines)))
def test_only_parse_errors_and_positions_that_hold_what_was_read(data: bytes) -> None:
    try:
        parsed = sdp.parse(data)
    except ParseError:
        return
    for address in parsed.addresses:
        if address.addr:
            assert Endpoint.parse(text(data, address.span).decode()).addr == address.addr
    for stream in parsed.media:
        assert not stream.port.number or int(text(data, stream.port.span)) == stream.port.number
        if stream.rtcp:
            assert int(text(data, stream.rtcp.port.span)) == stream.rtcp.port.number


@given(texts, st.binary(max_size=20), st.binary(max_size=20))
def test_bytes_around_a_description_do_not_matter(data: bytes, before: bytes, after: bytes) -> None:
    try:
        alone = sdp.parse(data)
    except ParseError:
        return
    inside = sdp.parse(before + data + after, len(before), len(before) + len(data))
    assert [(stream.kind, stream.port.number) for stream in inside.media] == [
        (stream.kind, stream.port.number) for stream in alone.media
    ]
    assert [address.span for address in inside.addresses] == [
        (address.span[0] + len(before), address.span[1] + len(before))
        for address in alone.addresses
    ]
