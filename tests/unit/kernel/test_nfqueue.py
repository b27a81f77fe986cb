from __future__ import annotations

import contextlib
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.kernel import conntrack, labels, nfnl, nfqueue
from fwhelpers.kernel.conntrack import Tuple, encode_tuple
from fwhelpers.kernel.expect import Expectation, mask_for, parse_expectation
from fwhelpers.kernel.nla import DecodeError, attr, be32, nest, number, parse, strz

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


def test_bind_is_one_message() -> None:
    (only,) = nfnl.split(nfqueue.encode_bind(1000, flags=nfqueue.F_CONNTRACK | nfqueue.F_FAIL_OPEN))
    assert only.res_id == 1000
    parts = {k: bytes(v) for k, v in parse(only.payload).items()}
    assert parts[1] == b"\1\0\0\0"
    assert parts[2] == b"\0\0\xff\xff\2"
    assert number(parts[5]) == 3


def test_packet_with_its_conntrack_entry() -> None:
    (packet,) = nfqueue.parse_packets(message(entry(), be32(12, 3)))
    assert (packet.id, packet.queue, packet.hw_protocol, packet.ctinfo) == (42, 1001, 0x0800, 3)
    assert (packet.orig, packet.reply) == (T, R)
    assert (packet.helper, packet.info, packet.ct_id) == ("rpc", b"i" * 32, 7)
    assert packet.confirmed
    assert packet.timeout == 29
    assert labels.has(packet.labels, 122)
    assert not labels.has(packet.labels, 123)
    assert len(packet.payload) == 100


def test_packet_of_64_kib() -> None:
    (packet,) = nfqueue.parse_packets(message(size=65507))
    assert len(packet.payload) == 65507


def test_whatever_is_malformed_keeps_its_id() -> None:
    (packet,) = nfqueue.parse_packets(message(b"\xff\xff\x0b\x80rest"))
    assert packet.id == 42
    assert (packet.helper, packet.tuple_orig_raw, packet.ct_id, packet.labels) == ("", b"", 0, b"")


def test_several_in_one_datagram_and_other_messages() -> None:
    other = nfnl.message(1, 0, 0, b"")
    many = memoryview(bytes(message(number=1)) + other + bytes(message(number=2)))
    assert [packet.id for packet in nfqueue.parse_packets(many)] == [1, 2]


def test_verdict_changes_only_what_is_given() -> None:
    (plain,) = nfnl.split(nfqueue.encode_verdict(1001, 42, nfqueue.ACCEPT))
    assert {k: bytes(v) for k, v in parse(plain.payload).items()} == {2: pack("!II", 1, 42)}
    done = labels.bits(labels.DONE)
    (full,) = nfnl.split(
        nfqueue.encode_verdict(
            1001, 42, nfqueue.ACCEPT, payload=b"new", info=("rpc", b"x" * 32), labels=(done, done),
            timeout=60, status=0x40E,
        )
    )  # fmt: skip
    parts = parse(full.payload)
    assert bytes(parts[10]) == b"new"
    changes = parse(parts[11])
    assert sorted(changes) == [3, 5, 7, 22, 23]
    assert bytes(changes[3]) == pack("!I", 0x40E)
    assert conntrack.parse_help(changes[5]) == ("rpc", b"x" * 32)


def test_expectation_needs_an_empty_conntrack_beside_it() -> None:
    expectation = Expectation(T, T, mask_for(T), helper="rpc", flags=1)
    (only,) = nfnl.split(nfqueue.encode_verdict(1, 42, nfqueue.REPEAT, expectation=expectation))
    parts = parse(only.payload)
    assert bytes(parts[11]) == b""
    parsed = parse_expectation(bytes(parts[15]) + encode_tuple(1, T))
    assert (parsed.tuple, parsed.helper, parsed.flags) == (T, "rpc", 1)


def test_batch() -> None:
    (only,) = nfnl.split(nfqueue.encode_batch(1001, 42))
    assert (only.kind, only.res_id) == (3, 1001)


@given(st.binary(max_size=300))
def test_garbage(data: bytes) -> None:
    for packet in nfqueue.parse_packets(memoryview(data)):
        assert packet.ct_id >= 0
    body = attr(1, pack("!IHB", 5, 0, 0)) + data
    for packet in nfqueue.parse_packets(memoryview(nfnl.message(nfnl.QUEUE, 0, 0, body))):
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
