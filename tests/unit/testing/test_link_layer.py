from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packets import udp4, udp6

from fwhelpers.testing.link_layer import hardware_addresses, ip_packet

P4, P6 = udp4(b"hello"), udp6(b"hello")
MACS = bytes(12)


@pytest.mark.parametrize(
    ("link", "before"),
    [
        (101, b""), (12, b""), (228, b""), (0, b"\2\0\0\0"), (108, b"\0\0\0\2"),
        (1, MACS + b"\x08\0"), (1, MACS + b"\x81\0\0\7\x08\0"),
        (1, MACS + b"\x88\xa8\0\7\x81\0\0\7\x08\0"), (1, MACS + b"\x88\x64\x11\0\0\1\0\x99\0\x21"),
        (113, bytes(14) + b"\x08\0"), (276, b"\x08\0" + bytes(18)), (9, b"\0\x21"), (50, b"\xff\3\0\x21"),
    ],
)  # fmt: skip
def test_ipv4(link: int, before: bytes) -> None:
    # Ethernet pads what is short
    assert ip_packet(link, before + P4 + bytes(9)) == P4


@pytest.mark.parametrize(
    ("link", "before"),
    [
        (101, b""), (229, b""), (0, b"\x1e\0\0\0"), (1, MACS + b"\x86\xdd"),
        (1, MACS + b"\x88\x64\x11\0\0\1\0\x99\0\x57"), (113, bytes(14) + b"\x86\xdd"),
        (276, b"\x86\xdd" + bytes(18)),
    ],
)  # fmt: skip
def test_ipv6(link: int, before: bytes) -> None:
    assert ip_packet(link, before + P6) == P6


@pytest.mark.parametrize(
    ("link", "data"),
    [
        (1, MACS + b"\x08\6" + bytes(40)), (1, MACS + b"\x81\0"), (1, b""), (101, b"\x45"), (101, bytes(40)),
        (276, b"\x08\6" + bytes(40)), (9, b"\xc0\x21" + bytes(40)), (147, P4), (229, P6[:30]),
    ],
)  # fmt: skip
def test_no_ip(link: int, data: bytes) -> None:
    assert ip_packet(link, data) is None


@given(st.sampled_from([0, 1, 9, 101, 108, 113, 276]), st.binary(max_size=80))
def test_anything(link: int, data: bytes) -> None:
    packet = ip_packet(link, data)
    assert packet is None or packet in data


def test_hardware_addresses_are_those_of_single_hosts() -> None:
    host, group = bytes.fromhex("5254001a2b3c"), bytes.fromhex("01005e0000fb")
    assert hardware_addresses(1, group + host + b"\x08\0") == {host}
    assert hardware_addresses(1, bytes(12) + b"\x08\0") == set()
    assert hardware_addresses(113, bytes([0, 0, 0, 1, 0, 6]) + host + b"\0\0\x08\0") == {host}
    assert hardware_addresses(101, host * 2) == hardware_addresses(1, b"") == set()
