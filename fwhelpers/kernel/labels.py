"""Conntrack label bits. The ruleset sets and tests them, the workers read them and set DONE and OUTLIVED.

Labels are used rather than the mark because expected connections inherit the mark, but not the labels.
"""

from __future__ import annotations

from typing import Final

#: the flow needs no more inspection; set by a worker through NFQA_CT, tested before the queue rules
DONE: Final = 127

#: set with the assignment. Conntrack allocates labels only while a rule of the ruleset sets one
#: (net/netfilter/nft_ct.c: nf_connlabels_get), and DONE can't be stored without them
ASSIGNED: Final = 126

#: expectations outlive this TCP connection, so that its FIN and RST are queued; set by a worker
OUTLIVED: Final = 120

#: set by the TCP steering rules if the connection's first packet is a SYN: all of its streams passed here
BEGAN: Final = 121

# Set by the TCP steering rules for each segment with payload. A worker recognizes by them the first
# payload of a direction since the helper was assigned (SEEN without MORE).
ORIG_SEEN: Final = 122
ORIG_MORE: Final = 123
REPLY_SEEN: Final = 124
REPLY_MORE: Final = 125

#: of a connection that another gateway can continue (`Active.resume`): it stands between two commands, and the 16
#: labels from POSITIONS on are the low bits of its client's next sequence number, the next 16 of its server's
RESUMABLE: Final = 87
POSITIONS: Final = 88
_POSITION_BITS: Final = 0xFFFFFFFF << POSITIONS
#: labels that `position_field` changes
POSITION_MASK: Final = (_POSITION_BITS | 1 << RESUMABLE).to_bytes(16, "little")

# in the last byte of the field: both labels of a direction, and the one of its first payload
_ORIG: Final = (0x0C, 0x04)
_REPLY: Final = (0x30, 0x10)

#: bytes. The kernel has an array of longs; on little-endian machines bit n is in byte n // 8
SIZE = 16


def bits(*labels: int) -> bytes:
    """Return the labels as conntrack's bit field."""
    value = sum(1 << label for label in labels)
    return value.to_bytes(SIZE, "little")


def union(first: bytes, second: bytes) -> bytes:
    """Return the bit field with the labels of both."""
    value = int.from_bytes(first, "little") | int.from_bytes(second, "little")
    return value.to_bytes(SIZE, "little")


def position_field(client: int, server: int) -> bytes:
    """Return the labels for the next sequence numbers of both directions."""
    value = (server & 0xFFFF) << 16 | client & 0xFFFF
    return (value << POSITIONS | 1 << RESUMABLE).to_bytes(SIZE, "little")


def positions(field: bytes) -> tuple[int, int] | None:
    """Return the low 16 bits of both sequence numbers, client's first; None without the label RESUMABLE."""
    if not has(field, RESUMABLE):
        return None
    value = int.from_bytes(field, "little") >> POSITIONS
    return value & 0xFFFF, value >> 16 & 0xFFFF


def has(field: bytes, label: int) -> bool:
    """Return whether a label is set in the payload of CTA_LABELS (empty: none is)."""
    return len(field) == SIZE and bool(field[label >> 3] & 1 << (label & 7))


def first_payload(labels: bytes, reply: bool) -> bool:
    """Return whether the labels mark the direction's first segment with payload."""
    if len(labels) != SIZE:
        return False
    mask, first = _REPLY if reply else _ORIG
    return labels[SIZE - 1] & mask == first
