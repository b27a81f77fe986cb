from __future__ import annotations

from struct import error as StructError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packets import plain_checksum, tcp4, tcp6, udp4, udp6

from fwhelpers.engine.checksum import ones_complement
from fwhelpers.engine.headers import locate
from fwhelpers.engine.mangle import MAX_PACKET, Edit, MangleError, apply, rewrite
from fwhelpers.kernel.nfqueue import ACCEPT, encode_verdict

MAKERS = [tcp4, tcp6, udp4, udp6]


@given(st.binary(max_size=2000))
def test_checksum_equals_rfc_1071(data: bytes) -> None:
    assert 0xFFFF - ones_complement(data) == plain_checksum(data)


@pytest.mark.parametrize("make", MAKERS)
@given(
    before=st.binary(max_size=40),
    old=st.binary(min_size=1, max_size=20),
    new=st.binary(max_size=40),
)
def test_a_rewritten_packet_equals_one_built_with_the_new_payload(
    make: object, before: bytes, old: bytes, new: bytes
) -> None:
    packet = make(before + old + b"tail")  # type: ignore[operator]
    segment = locate(packet)
    assert segment
    edit = Edit(len(before), len(before) + len(old), new)
    assert rewrite(packet, segment, [edit]) == make(before + new + b"tail")  # type: ignore[operator]


def test_several_edits_and_a_base() -> None:
    edits = [Edit(106, 108, b"222"), Edit(102, 104, b"1")]
    assert apply(b"aa11bb22cc", 100, edits) == b"aa1bb222cc"


@pytest.mark.parametrize(
    "edits", [[Edit(0, 5, b""), Edit(4, 6, b"")], [Edit(8, 11, b"")], [Edit(-1, 2, b"")]]
)
def test_edits_that_overlap_or_exceed_the_data_are_an_error(edits: list[Edit]) -> None:
    with pytest.raises(MangleError):
        apply(b"aa11bb22cc", 0, edits)


def test_a_packet_longer_than_ip_allows_is_an_error() -> None:
    packet = udp4(b"x" * 65000)
    segment = locate(packet)
    assert segment
    with pytest.raises(MangleError):
        rewrite(packet, segment, [Edit(0, 1, b"y" * 1000)])


@pytest.mark.parametrize("make", MAKERS)
def test_whatever_is_rewritten_fits_into_a_verdict(make: Any) -> None:
    """A longer packet could not be encoded, and would end the worker."""
    packet = make(b"x" * 1000)
    segment = locate(packet)
    assert segment
    room = MAX_PACKET - len(packet)
    longest = rewrite(packet, segment, [Edit(1000, 1000, b"y" * room)])
    assert len(longest) == MAX_PACKET
    encode_verdict(0, 1, ACCEPT, payload=longest)
    with pytest.raises(MangleError):
        rewrite(packet, segment, [Edit(1000, 1000, b"y" * (room + 1))])
    with pytest.raises(StructError):
        encode_verdict(0, 1, ACCEPT, payload=longest + b"y")


@pytest.mark.parametrize("kind", [0, 2, 4])
@pytest.mark.parametrize("segments_left", [0, 1, 2])
def test_the_checksum_covers_the_last_address_of_a_routing_header(
    kind: int, segments_left: int
) -> None:
    """RFC 8200 §8.1: while segments are left, the destination of the IP header is not the final one."""
    plain = tcp6(b"old text", dst="fd03::9")
    addresses = [plain[24:40], bytes(16)] if kind == 4 else [bytes(16), plain[24:40]]
    routing = bytes([6, 4, kind, segments_left, 0, 0, 0, 0]) + b"".join(addresses)
    now = plain[24:40] if not segments_left else bytes([0xFD] * 16)
    length = (len(plain) - 40 + len(routing)).to_bytes(2, "big")
    packet = plain[:4] + length + bytes([43]) + plain[7:24] + now + routing + plain[40:]
    segment = locate(packet)
    assert segment
    rewritten = rewrite(packet, segment, [Edit(0, 3, b"new")])
    assert rewritten[40 + len(routing) :] == tcp6(b"new text", dst="fd03::9")[40:]
