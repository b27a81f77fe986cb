from __future__ import annotations

import contextlib
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.kernel import conntrack, labels, nfnl
from fwhelpers.kernel.conntrack import Tuple, encode_tuple
from fwhelpers.kernel.nla import DecodeError, attr, be32, nest, strz
from fwhelpers.kernel.packet_decoder import parse_packets

T = Tuple(bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2]), 17, 900, 111)
R = Tuple(T.dst, T.src, 17, 111, 900)


def message(*more: bytes, number: int = 42, size: int = 100) -> memoryview:
    body = attr(1, pack("!IHB", number, 0x0800, 4) + b"\0") + attr(10, b"\x45" * size)
    return memoryview(nfnl.message(nfnl.QUEUE, 0, 0, body + b"".join(more), res_id=1001))


def entry() -> bytes:
    return nest(
        11,
        encode_tuple(conntrack.CTA_TUPLE_ORIG, T),
        encode_tuple(conntrack.CTA_TUPLE_REPLY, R),
        be32(conntrack.CTA_STATUS, 0x2008),
        be32(conntrack.CTA_ID, 7),
        be32(conntrack.CTA_TIMEOUT, 29),
        nest(conntrack.CTA_HELP, strz(1, "rpc"), attr(2, b"i" * 32)),
        attr(conntrack.CTA_LABELS, labels.bits(122)),
    )


def test_packet_with_its_conntrack_entry() -> None:
    (packet,) = parse_packets(message(entry(), be32(12, 3)))
    assert (packet.id, packet.queue, packet.hw_protocol, packet.ctinfo) == (42, 1001, 0x0800, 3)
    assert (packet.orig, packet.reply) == (T, R)
    assert (packet.helper, packet.info, packet.ct_id) == ("rpc", b"i" * 32, 7)
    assert packet.confirmed
    assert packet.timeout == 29
    assert labels.has(packet.labels, 122)
    assert not labels.has(packet.labels, 123)
    assert len(packet.payload) == 100


def test_packet_of_64_kib() -> None:
    (packet,) = parse_packets(message(size=65507))
    assert len(packet.payload) == 65507


def test_whatever_is_malformed_keeps_its_id() -> None:
    (packet,) = parse_packets(message(b"\xff\xff\x0b\x80rest"))
    assert packet.id == 42
    assert (packet.helper, packet.tuple_orig_raw, packet.ct_id, packet.labels) == ("", b"", 0, b"")


def test_several_in_one_datagram_and_other_messages() -> None:
    other = nfnl.message(1, 0, 0, b"")
    many = memoryview(bytes(message(number=1)) + other + bytes(message(number=2)))
    assert [packet.id for packet in parse_packets(many)] == [1, 2]


@given(st.binary(max_size=300))
def test_garbage(data: bytes) -> None:
    for packet in parse_packets(memoryview(data)):
        assert packet.ct_id >= 0
    body = attr(1, pack("!IHB", 5, 0, 0)) + data
    for packet in parse_packets(memoryview(nfnl.message(nfnl.QUEUE, 0, 0, body))):
        assert packet.id == 5
        for name in (
            "payload",
            "indev",
            "outdev",
            "ctinfo",
            "labels",
            "zone",
            "mark",
        ):
            getattr(packet, name)
        for name in ("orig", "reply", "helper", "info"):
            with contextlib.suppress(DecodeError):
                getattr(packet, name)
