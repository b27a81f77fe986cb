from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packets import plain_checksum, tcp4, tcp6, udp4, udp6

from fwhelpers.engine.checksum import ones_complement
from fwhelpers.engine.headers import locate
from fwhelpers.engine.mangle import Edit, Edits, MangleError, rewrite

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
    assert rewrite(packet, segment, 0, [edit]) == make(before + new + b"tail")  # type: ignore[operator]


def test_several_edits_and_a_base() -> None:
    packet = tcp4(b"aa11bb22cc")
    segment = locate(packet)
    assert segment
    edits = [Edit(102, 104, b"1"), Edit(106, 108, b"222")]
    assert rewrite(packet, segment, 100, edits) == tcp4(b"aa1bb222cc")


def test_a_packet_longer_than_ip_allows_is_an_error() -> None:
    packet = udp4(b"x" * 65000)
    segment = locate(packet)
    assert segment
    with pytest.raises(MangleError):
        rewrite(packet, segment, 0, [Edit(0, 1, b"y" * 1000)])


def test_edits_apply_to_a_retransmission() -> None:
    edits = Edits()
    edits.add(Edit(10, 20, b"x"))
    assert edits.within(0, 30) == [Edit(10, 20, b"x")]
    assert edits.within(20, 30) == []
    assert edits.within(0, 10) == []


@pytest.mark.parametrize("cut", [(0, 15), (15, 30), (12, 18)])
def test_a_cut_edit_is_an_error(cut: tuple[int, int]) -> None:
    edits = Edits()
    edits.add(Edit(10, 20, b"x"))
    with pytest.raises(MangleError):
        edits.within(*cut)
