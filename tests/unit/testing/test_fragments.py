from __future__ import annotations

from itertools import permutations
from struct import pack

import pytest
from growth import check_linear
from hypothesis import given
from hypothesis import strategies as st
from packets import ip4, udp4, udp6

from fwhelpers.testing.fragments import MAX_DATAGRAMS, TIMEOUT, Reassembly

DATA = bytes(range(200)) * 2


def split4(packet: bytes, size: int, ident: int = 7) -> list[bytes]:
    body, out = packet[20:], []
    for at in range(0, len(body), size):
        more = 0x2000 if at + size < len(body) else 0
        head = packet[:4] + pack("!HH", ident, more | at // 8) + packet[8:20]
        piece = head + body[at : at + size]
        out.append(piece[:2] + pack("!H", len(piece)) + piece[4:])
    return out


def split6(packet: bytes, size: int, ident: int = 7) -> list[bytes]:
    body, out = packet[40:], []
    for at in range(0, len(body), size):
        more = at + size < len(body)
        extra = pack("!BBHI", packet[6], 0, at | more, ident)
        piece = extra + body[at : at + size]
        out.append(packet[:4] + pack("!HB", len(piece), 44) + packet[7:40] + piece)
    return out


def bare(packet: bytes) -> bytes:
    """Without what reassembly doesn't restore: flags and checksum of the IPv4 header."""
    return packet[:4] + packet[8:10] + packet[12:] if packet[0] >> 4 == 4 else packet


def test_whole_packets_pass() -> None:
    for packet in (udp4(b"x"), udp6(b"x"), b"", b"\x45", b"\x60", b"\x99" * 40):
        assert Reassembly().feed(packet, 0) == packet


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("family", [4, 6])
def test_fragments_in_any_order(order: tuple[int, ...], family: int) -> None:
    whole = udp4(DATA) if family == 4 else udp6(DATA)
    pieces = (split4 if family == 4 else split6)(whole, 144)
    reassembly = Reassembly()
    out = [reassembly.feed(pieces[i], 0) for i in order]
    assert out[:2] == [None, None]
    assert out[2] is not None
    assert bare(out[2]) == bare(whole)


def test_a_repeated_fragment() -> None:
    first, second = split4(udp4(DATA), 256)
    reassembly = Reassembly()
    assert [reassembly.feed(p, 0) for p in (first, first)] == [None, None]
    assert reassembly.feed(second, 0) is not None


def test_overlapping_fragments_drop_the_datagram() -> None:
    first, second = split4(udp4(DATA), 256)
    evil = split4(udp4(DATA), 264)[0]
    reassembly = Reassembly()
    assert [reassembly.feed(p, 0) for p in (first, evil, second)] == [None, None, None]


def test_what_comes_too_late() -> None:
    first, second = split4(udp4(DATA), 256)
    reassembly = Reassembly()
    assert reassembly.feed(first, 0) is None
    assert reassembly.feed(second, TIMEOUT + 1) is None


def test_datagrams_are_told_apart() -> None:
    a, b = split4(udp4(DATA), 256, 1), split4(udp4(bytes(400)), 256, 2)
    reassembly = Reassembly()
    assert [reassembly.feed(p, 0) for p in (a[0], b[0])] == [None, None]
    whole = reassembly.feed(a[1], 0)
    assert whole is not None
    assert whole.endswith(DATA)


def test_memory_is_bounded() -> None:
    reassembly = Reassembly()
    for ident in range(MAX_DATAGRAMS * 3):
        reassembly.feed(split4(udp4(DATA), 256, ident)[0], 0)
    assert len(reassembly._datagrams) <= MAX_DATAGRAMS


def test_beyond_the_end_of_a_packet() -> None:
    packet = ip4(17, bytes(100), "1.2.3.4", "5.6.7.8")
    last = packet[:6] + b"\x1f\xff" + packet[8:]
    assert Reassembly().feed(last, 0) is None


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_anything(packets: list[bytes]) -> None:
    reassembly = Reassembly()
    for packet in packets:
        reassembly.feed(packet, 0)


@pytest.mark.parametrize("backwards", [False, True])
def test_work_grows_linearly_with_the_number_of_fragments(backwards: bool) -> None:
    """Of 8 bytes each, and the last that is fed is repeated."""

    def work(size: int) -> None:
        pieces = split4(udp4(bytes(size // 2)), 8)[:: -1 if backwards else 1]
        reassembly = Reassembly()
        for piece in [*pieces[:-1], *pieces[-2:-1] * len(pieces)]:
            assert reassembly.feed(piece, 0) is None
        assert reassembly.feed(pieces[-1], 0) is not None

    check_linear(work)


def test_an_empty_fragment_and_bytes_behind_the_end_discard_the_datagram() -> None:
    first, second, third = split4(udp4(DATA), 144)
    empty = third[:2] + pack("!H", 20) + third[4:20]
    shorter = split4(udp4(DATA[:200]), 144)[1]  # the last fragment, where another continues
    for stray in (empty, shorter):
        reassembly = Reassembly()
        for piece in (second, third, stray):
            assert reassembly.feed(piece, 0) is None
        assert reassembly.feed(first, 0) is None
