"""Conntrack label bits, shared by the ruleset, which sets and tests them, and the workers, which set DONE.

Labels, not the mark: expected connections inherit the mark, labels they don't.
"""

from __future__ import annotations

from typing import Final

#: the flow needs no more inspection; set by a worker through NFQA_CT, tested before the queue rules
DONE: Final = 127

# Set by the TCP steering rules, so that a worker can tell the first payload of a direction since the helper was
# assigned (SEEN without MORE) from a flow that it meets midway, though no SYN is ever queued.
ORIG_SEEN: Final = 122
ORIG_MORE: Final = 123
REPLY_SEEN: Final = 124
REPLY_MORE: Final = 125

SIZE = 16  #: bytes; the kernel keeps labels as an array of longs, on little-endian machines bit n is in byte n // 8


def bits(*labels: int) -> bytes:
    """The labels as conntrack's bit field."""
    value = sum(1 << label for label in labels)
    return value.to_bytes(SIZE, "little")


def has(field: bytes, label: int) -> bool:
    """True if the label is set in a field as CTA_LABELS carries it (empty: none is)."""
    return len(field) == SIZE and bool(field[label >> 3] & 1 << (label & 7))

#: set with the assignment: conntrack makes room for labels only while some rule of the ruleset sets one
#: (net/netfilter/nft_ct.c: nf_connlabels_get), and without room DONE could not be stored
ASSIGNED: Final = 126
