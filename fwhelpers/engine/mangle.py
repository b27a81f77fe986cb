"""Rewrites spans of a packet's payload."""

from __future__ import annotations

from typing import NamedTuple

from fwhelpers.engine import checksum
from fwhelpers.engine.headers import Segment

#: bytes: a verdict's attribute has no room for more, as its length counts four bytes of its own
#: (net/netfilter/nfnetlink_queue.c: NFQNL_MAX_COPY_RANGE). Larger packets reach us cut off, and are not parsed
MAX_PACKET = 65531


class MangleError(Exception):
    """The packet can't be rewritten."""


class Edit(NamedTuple):
    """Replaces bytes start to end by `text`."""

    start: int
    end: int
    text: bytes


def apply(data: bytes, base: int, edits: list[Edit]) -> bytes:
    """Return the edited data. `base` is the offset of its first byte. Raises MangleError for edits beyond it."""
    out = bytearray()
    at = 0
    for edit in sorted(edits):
        first, last = edit.start - base, edit.end - base
        if not at <= first <= last <= len(data):
            raise MangleError("the rewritten spans overlap or are not within the packet")
        out += data[at:first] + edit.text
        at = last
    return bytes(out + data[at:])


def rewrite(packet: bytes, segment: Segment, edits: list[Edit]) -> bytes:
    """Apply edits, as offsets in the payload; update lengths and checksums. Raises MangleError."""
    payload = apply(packet[segment.data : segment.end], 0, edits)
    size = segment.data + len(payload)
    if size > MAX_PACKET:
        raise MangleError("packet would be too long")
    out = bytearray(packet[: segment.data]) + payload
    checksum.fill(out, segment.resized(size))
    return bytes(out)
