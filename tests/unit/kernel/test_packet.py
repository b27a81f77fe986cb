from __future__ import annotations

from fwhelpers.kernel import conntrack
from fwhelpers.kernel.conntrack import SeqAdjustment, Tuple, encode_tuple
from fwhelpers.kernel.nla import attr, be16, be32, nest, strz
from fwhelpers.kernel.packet import Packet

T = Tuple(bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2]), 17, 900, 111)


def test_seldom_used_attributes_are_read_from_the_entry() -> None:
    adjustment = nest(
        conntrack.CTA_SEQ_ADJ_REPLY, be32(1, 7), be32(2, 1), attr(3, b"\xff\xff\xff\xfe")
    )
    entry = (
        encode_tuple(conntrack.CTA_TUPLE_REPLY, T)
        + be16(conntrack.CTA_ZONE, 5)
        + be32(conntrack.CTA_MARK, 6)
        + nest(conntrack.CTA_HELP, strz(1, "rpc"), attr(2, b"i" * 32))
        + adjustment
    )
    packet = Packet(1000, 1, entry=entry)
    assert (packet.reply, packet.zone, packet.mark, packet.info) == (T, 5, 6, b"i" * 32)
    assert packet.seq_adjustment(True) == SeqAdjustment(7, 1, -2)
    assert packet.seq_adjustment(False) == SeqAdjustment(0, 0, 0)


def test_without_an_entry() -> None:
    packet = Packet(1000, 1)
    assert (packet.zone, packet.mark, packet.info, packet.confirmed) == (0, 0, b"", False)
    assert packet.orig == packet.reply == Tuple(bytes(4), bytes(4), 0, 0, 0)
