"""Queued packets as the kernel encodes them (net/netfilter/nfnetlink_queue.c: nfqnl_build_packet_message())."""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack

from fwhelpers.kernel import nfnl, nfqueue
from fwhelpers.kernel.conntrack import (
    CTA_HELP,
    CTA_HELP_INFO,
    CTA_HELP_NAME,
    CTA_ID,
    CTA_LABELS,
    CTA_PROTOINFO,
    CTA_PROTOINFO_TCP,
    CTA_PROTOINFO_TCP_STATE,
    CTA_SEQ_ADJ_ORIG,
    CTA_SEQ_ADJ_REPLY,
    CTA_STATUS,
    CTA_TIMEOUT,
    CTA_TUPLE_ORIG,
    CTA_TUPLE_REPLY,
    CTA_ZONE,
    IPS_CONFIRMED,
    NO_ADJUSTMENT,
    Conntrack,
    SeqAdjustment,
    encode_tuple,
)
from fwhelpers.kernel.nla import attr, be16, be32, nest, strz

_PACKET = 0  # enum nfqnl_msg_types
_PACKET_HDR, _INDEV, _OUTDEV, _PAYLOAD, _CT, _CT_INFO = 1, 5, 6, 10, 11, 12
_IPV4, _IPV6 = 0x0800, 0x86DD

Adjustments = tuple[SeqAdjustment, SeqAdjustment]


@dataclass
class QueuedPacket:
    """A packet in its queue: IP packet, conntrack entry, and how it came here."""

    payload: bytes
    entry: Conntrack
    ctinfo: int  #: enum ip_conntrack_info
    hook: int = nfqueue.POST_ROUTING
    indev: int = 0
    outdev: int = 0
    adjustments: Adjustments = (NO_ADJUSTMENT, NO_ADJUSTMENT)
    tcp_state: int = 0  #: enum tcp_conntrack; 0: the entry has none

    def message(self, number: int = 1, queue: int = 0) -> bytes:
        """Return the kernel's message; `number` is the packet's id."""
        protocol = _IPV6 if self.payload[:1] >= b"\x60" else _IPV4
        body = attr(_PACKET_HDR, pack("!IHB", number, protocol, self.hook))
        body += b"".join(
            be32(kind, index)
            for kind, index in ((_INDEV, self.indev), (_OUTDEV, self.outdev))
            if index
        )
        body += encode_entry(self.entry, self.adjustments, self.tcp_state)
        body += be32(_CT_INFO, self.ctinfo) + attr(_PAYLOAD, self.payload)
        return nfnl.message(nfnl.QUEUE, _PACKET, 0, body, res_id=queue)

    def decode(self) -> nfqueue.Packet:
        """Return the packet as a worker reads it."""
        (packet,) = nfqueue.parse_packets(memoryview(self.message()))
        return packet


def ctinfo(entry: Conntrack, reply: bool) -> int:
    """Return the packet's relation to a connection: reply, established, or new."""
    if reply:
        return 3
    return 0 if entry.status & IPS_CONFIRMED else 2


def encode_entry(entry: Conntrack, adjustments: Adjustments, tcp_state: int = 0) -> bytes:
    """Encode NFQA_CT."""
    parts = [
        encode_tuple(CTA_TUPLE_ORIG, entry.orig),
        encode_tuple(CTA_TUPLE_REPLY, entry.reply),
    ]
    if entry.zone:
        parts.append(be16(CTA_ZONE, entry.zone))
    parts += [
        be32(CTA_ID, entry.id),
        be32(CTA_STATUS, entry.status),
        be32(CTA_TIMEOUT, entry.timeout),
    ]
    if tcp_state:
        state = attr(CTA_PROTOINFO_TCP_STATE, bytes([tcp_state]))
        parts.append(nest(CTA_PROTOINFO, nest(CTA_PROTOINFO_TCP, state)))
    if entry.helper:
        info = attr(CTA_HELP_INFO, entry.info)
        parts.append(nest(CTA_HELP, strz(CTA_HELP_NAME, entry.helper), info))
    if any(entry.labels):
        parts.append(attr(CTA_LABELS, entry.labels))
    if adjustments != (NO_ADJUSTMENT, NO_ADJUSTMENT):
        kinds = (CTA_SEQ_ADJ_ORIG, CTA_SEQ_ADJ_REPLY)
        parts += map(_encode_adjustment, kinds, adjustments)
    return nest(_CT, *parts)


def _encode_adjustment(kind: int, value: SeqAdjustment) -> bytes:
    numbers = enumerate((value.position, value.before, value.after), start=1)
    return nest(kind, *(be32(number, offset % 2**32) for number, offset in numbers))
