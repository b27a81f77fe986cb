"""Conntrack label bits. The ruleset sets and tests them, the workers read them and set DONE.

Labels are used rather than the mark because expected connections inherit the mark, but not the labels.
"""

from __future__ import annotations

from typing import Final

#: the flow needs no more inspection; set by a worker through NFQA_CT, tested before the queue rules
DONE: Final = 127

#: set with the assignment. Conntrack allocates labels only while a rule of the ruleset sets one
#: (net/netfilter/nft_ct.c: nf_connlabels_get), and DONE can't be stored without them
ASSIGNED: Final = 126

#: set by the TCP steering rules if the connection's first packet is a SYN: all of its streams passed here
BEGAN: Final = 121

# Set by the TCP steering rules for each segment with payload. A worker recognizes by them the first
# payload of a direction since the helper was assigned (SEEN without MORE).
ORIG_SEEN: Final = 122
ORIG_MORE: Final = 123
REPLY_SEEN: Final = 124
REPLY_MORE: Final = 125

# in the last byte of the field: both labels of a direction, and the one of its first payload
_ORIG: Final = (0x0C, 0x04)
_REPLY: Final = (0x30, 0x10)

#: bytes. The kernel has an array of longs; on little-endian machines bit n is in byte n // 8
SIZE = 16


def bits(*labels: int) -> bytes:
    """Return the labels as conntrack's bit field."""
    value = sum(1 << label for label in labels)
    return value.to_bytes(SIZE, "little")


def has(field: bytes, label: int) -> bool:
    """Return whether a label is set in the payload of CTA_LABELS (empty: none is)."""
    return len(field) == SIZE and bool(field[label >> 3] & 1 << (label & 7))


def first_payload(labels: bytes, reply: bool) -> bool:
    """Return whether the labels mark the direction's first segment with payload."""
    if len(labels) != SIZE:
        return False
    mask, first = _REPLY if reply else _ORIG
    return labels[SIZE - 1] & mask == first
