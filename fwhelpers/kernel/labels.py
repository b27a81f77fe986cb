"""Conntrack label bits, which the ruleset sets and tests and the workers read; they set DONE.

Labels, not the mark: expected connections inherit the mark, labels they don't.
"""

from __future__ import annotations

from typing import Final

#: the flow needs no more inspection; set by a worker through NFQA_CT, tested before the queue rules
DONE: Final = 127

#: set with the assignment: conntrack makes room for labels only while some rule of the ruleset
#: sets one (net/netfilter/nft_ct.c: nf_connlabels_get), and without room DONE can't be stored
ASSIGNED: Final = 126

# Set by the TCP steering rules, so that a worker can tell the first payload of a direction since
# the helper was assigned (SEEN without MORE) from a flow that it meets midway, though no SYN is
# ever queued.
ORIG_SEEN: Final = 122
ORIG_MORE: Final = 123
REPLY_SEEN: Final = 124
REPLY_MORE: Final = 125

#: bytes; the kernel has an array of longs: on little-endian machines bit n is in byte n // 8
SIZE = 16


def bits(*labels: int) -> bytes:
    """The labels as conntrack's bit field."""
    value = sum(1 << label for label in labels)
    return value.to_bytes(SIZE, "little")


def has(field: bytes, label: int) -> bool:
    """True if the label is set in a field as CTA_LABELS carries it (empty: none is)."""
    return len(field) == SIZE and bool(field[label >> 3] & 1 << (label & 7))


def first_payload(labels: bytes, reply: bool) -> bool:
    """Whether our rules have marked this as the first segment with payload of its direction."""
    seen, more = (REPLY_SEEN, REPLY_MORE) if reply else (ORIG_SEEN, ORIG_MORE)
    return has(labels, seen) and not has(labels, more)
