from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packets import tcp4, tcp6, udp4, udp6

from fwhelpers.engine.headers import locate


def test_udp4() -> None:
    packet = udp4(b"hello")
    segment = locate(packet)
    assert segment
    assert packet[segment.data : segment.end] == b"hello"
    assert segment.transport == 20


def test_tcp4_with_link_layer_padding() -> None:
    packet = tcp4(b"hi", seq=7) + bytes(6)
    segment = locate(packet)
    assert segment
    assert packet[segment.data : segment.end] == b"hi"
    assert segment.seq == 7


def test_tcp6() -> None:
    packet = tcp6(b"hi", seq=9)
    segment = locate(packet)
    assert segment
    assert packet[segment.data : segment.end] == b"hi"


def with_extensions(packet: bytes, headers: bytes, first: int) -> bytes:
    (length,) = struct.unpack_from("!H", packet, 4)
    return (
        packet[:4]
        + struct.pack("!HB", length + len(headers), first)
        + packet[7:40]
        + headers
        + packet[40:]
    )


def test_ipv6_extension_headers_are_walked() -> None:
    hop_by_hop = bytes([60, 0]) + bytes(6)
    destination = bytes([44, 1]) + bytes(14)
    atomic = bytes([17, 0, 0, 0]) + b"abcd"
    packet = with_extensions(udp6(b"payload"), hop_by_hop + destination + atomic, 0)
    segment = locate(packet)
    assert segment
    assert packet[segment.data : segment.end] == b"payload"


@pytest.mark.parametrize("field", [0x2000, 0x0001])
def test_ipv4_fragments_are_left_alone(field: int) -> None:
    packet = bytearray(udp4(b"x"))
    struct.pack_into("!H", packet, 6, field)
    assert locate(bytes(packet)) is None


def test_ipv6_fragment_with_offset_is_left_alone() -> None:
    packet = with_extensions(udp6(b"x"), bytes([17, 0, 0, 8]) + b"abcd", 44)
    assert locate(packet) is None


def test_udp_length_that_differs_from_ip_is_left_alone() -> None:
    packet = bytearray(udp4(b"xyz"))
    struct.pack_into("!H", packet, 24, 9)
    assert locate(bytes(packet)) is None


def test_truncated_packet_is_left_alone() -> None:
    packet = tcp4(b"hello")
    for size in range(len(packet)):
        assert locate(packet[:size]) is None


@given(st.binary(max_size=200))
def test_garbage_never_raises(data: bytes) -> None:
    segment = locate(data)
    assert segment is None or segment.transport < segment.data <= segment.end <= len(data)


@given(st.sampled_from([tcp4, udp4, tcp6, udp6]), st.integers(0, 67), st.integers(0, 255))
def test_a_changed_byte_never_raises(make: object, at: int, value: int) -> None:
    packet = bytearray(make(b"x" * 40))  # type: ignore[operator]
    packet[at] = value
    locate(bytes(packet))
