"""Rewrites spans of a payload, and the same spans again in retransmissions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fwhelpers.engine import checksum
from fwhelpers.engine.headers import Segment

MAX_EDITS = 16  #: remembered for each direction of a flow
MAX_PACKET = 65535


class MangleError(Exception):
    """The packet can't be rewritten."""


class Edit(NamedTuple):
    """Replaces bytes start to end (stream offsets, or offsets in a datagram) by `text`."""

    start: int
    end: int
    text: bytes


class Edits:
    """The rewritten spans of one direction."""

    __slots__ = ("_edits",)

    def __init__(self) -> None:
        self._edits: list[Edit] = []

    def add(self, edit: Edit) -> None:
        """Add an edit; drop the oldest above the bound."""
        self._edits.append(edit)
        del self._edits[:-MAX_EDITS]

    def __iter__(self) -> Iterator[Edit]:
        return iter(self._edits)

    def within(self, start: int, end: int) -> list[Edit]:
        """Return the edits within a segment. Raises MangleError if the segment cuts one."""
        touching = [e for e in self._edits if e.start < end and start < e.end]
        if any(e.start < start or e.end > end for e in touching):
            raise MangleError("retransmission cuts a rewritten span")
        return touching


def rewrite(packet: bytes, segment: Segment, base: int, edits: list[Edit]) -> bytes:
    """Apply edits to a packet whose payload begins at stream offset `base`, and update lengths and checksums.

    The kernel adjusts later sequence numbers itself (nf_ct_seqadj_set(), called by nfqnl_recv_verdict()).
    """
    payload = bytearray(packet[segment.data : segment.end])
    for edit in sorted(edits, reverse=True):
        payload[edit.start - base : edit.end - base] = edit.text
    size = segment.data + len(payload)
    if size > MAX_PACKET:
        raise MangleError("packet would be too long")
    out = bytearray(packet[: segment.data]) + payload
    checksum.fill(out, segment._replace(end=size))
    return bytes(out)
