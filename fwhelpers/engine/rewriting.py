"""Rewritten bytes of a direction, which retransmissions must carry in the same way until they are acknowledged.

When a rewriting changes the length, the kernel adjusts sequence numbers (nf_conntrack_seqadj.c). It has one position
for each direction: segments that begin after it are moved by `after`, others by `before`. It takes the position from
the segment whose length changes, and a segment that begins later and changes its length moves it again. So a unit of
changed length is all from the beginning of the segment in which it was rewritten first, and every segment that touches
it is rebuilt to carry it as a whole, from its first byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import pack_into
from typing import NamedTuple

from fwhelpers.engine import checksum
from fwhelpers.engine.headers import FIN, Segment
from fwhelpers.engine.mangle import Edit, MangleError, apply
from fwhelpers.kernel.conntrack import NO_ADJUSTMENT, SeqAdjustment

MAX_UNITS = 16  #: that are not acknowledged; above that announcements are refused
MAX_PAYLOAD = 65000  #: bytes
MAX_PAST = 4  #: acknowledged units of changed length that are kept
LIFETIME = 1000.0  #: seconds; a sender gives up after 15 minutes (tcp(7): tcp_retries2)

_MASK, _HALF = 0xFFFFFFFF, 0x80000000


def distance(start: int, end: int) -> int:
    """Return the signed distance between two sequence numbers."""
    return (end - start + _HALF & _MASK) - _HALF


class Unit(NamedTuple):
    """`size` bytes of the sender from `seq` on, which the receiver gets as `text`."""

    seq: int
    size: int
    text: bytes

    @property
    def growth(self) -> int:
        """By how many bytes the length changes."""
        return len(self.text) - self.size


@dataclass(slots=True)
class Rewriter:
    """The rewritten units of one direction."""

    pending: list[Unit] = field(default_factory=list)  #: not acknowledged, in order
    past: list[Unit] = field(default_factory=list)  #: acknowledged, of changed length
    adjustment: SeqAdjustment | None = None  #: the kernel's, as of the last unit
    used: float = 0.0  #: when a unit was last sent
    largest: int = 0  #: bytes of the largest payload that was sent
    top: int = 0  #: the sequence number after the last unit

    def due(self, now: float) -> bool:
        """Return whether retransmissions may still need rewriting."""
        return bool(self.pending or self.past) and now - self.used < LIFETIME

    @property
    def full(self) -> bool:
        """True if no further unit can be remembered."""
        return len(self.pending) >= MAX_UNITS

    @property
    def resizing(self) -> bool:
        """True while a unit of changed length is not acknowledged."""
        return bool(self.pending) and any(unit.growth for unit in self.pending)

    def add(self, seq: int, payload: bytes, edits: list[Edit], current: SeqAdjustment) -> Unit:
        """Add the edits of a segment's payload, as offsets in it. Raises MangleError."""
        first, last = min(e.start for e in edits), max(e.end for e in edits)
        if any(len(e.text) != e.end - e.start for e in edits):
            first = 0
        text = apply(payload[first:last], first, edits)
        unit = Unit(seq + first & _MASK, last - first, text)
        if len(payload) + unit.growth > MAX_PAYLOAD:
            raise MangleError("packet would be too long")
        adjustment = self.adjustment or current
        if unit.growth:
            after = adjustment.after
            adjustment = SeqAdjustment(unit.seq, after, after + unit.growth)
        self.adjustment = adjustment
        self.largest = max(self.largest, len(payload) + unit.growth)
        self.top = unit.seq + unit.size & _MASK
        self.pending.append(unit)
        return unit

    def acknowledge(self, ack: int) -> None:
        """Take an acknowledgement of the receiver, in its own numbering."""
        while self.pending and distance(self._end(self.pending[0]), ack) >= 0:
            unit = self.pending.pop(0)
            if unit.growth:
                self.past.append(unit)
                del self.past[:-MAX_PAST]

    def concerns(self, seq: int) -> bool:
        """Return whether a segment with payload from this sequence number on may need rewriting."""
        return bool(self.pending or self.past) and distance(self.top, seq) < 0

    def _end(self, unit: Unit) -> int:
        return unit.seq + self._shift(unit.seq) + len(unit.text) & _MASK

    def _shift(self, seq: int) -> int:
        """How far the byte at `seq` is moved for the receiver."""
        later = sum(u.growth for u in (*self.past, *self.pending) if distance(seq, u.seq) >= 0)
        return (self.adjustment or NO_ADJUSTMENT).after - later

    def _kernel_shift(self, seq: int) -> int:
        adjustment = self.adjustment or NO_ADJUSTMENT
        moved = distance(adjustment.position, seq) > 0
        return adjustment.after if moved else adjustment.before

    def translate(self, packet: bytes, segment: Segment) -> bytes | None:
        """Return the packet for the receiver, None if it is unchanged."""
        data = packet[segment.data : segment.end]
        start, pieces, fin = _rebuild(data, segment, [*self.past, *self.pending], self.largest)
        seq = start + self._shift(start) - self._kernel_shift(start) & _MASK
        if pieces == data and seq == segment.seq:
            return None
        out = bytearray(packet[: segment.data]) + pieces
        pack_into("!I", out, segment.transport + 4, seq)
        if not fin:
            out[segment.transport + 13] &= ~FIN
        checksum.fill(out, segment.resized(len(out)))
        return bytes(out)


def _rebuild(
    data: bytes, segment: Segment, units: Iterable[Unit], largest: int
) -> tuple[int, bytes, bool]:
    """Return the first sequence number, payload and whether a FIN may follow it."""
    begin, size = 0, len(data)  # offsets from segment.seq, in the sender's numbering
    out = bytearray()
    at = 0
    whole: tuple[int, int] | None = None  # the last unit of changed length in `out`
    fin = True
    touched = [(distance(segment.seq, u.seq), u) for u in units]
    touched = [(s, u) for s, u in touched if s < size and s + u.size > 0]
    for start, unit in sorted(touched):
        if not unit.growth:
            # the bytes of the overlap only
            begins, ends = max(start, at), min(start + unit.size, size)
            if begins < ends:
                out += data[at:begins] + unit.text[begins - start : ends - start]
                at = ends
            continue
        if start + unit.size > size:
            fin = False
            if start > 0:  # the sender sends the rest again
                out += data[at:start]
                at = size
                break
        if start < 0:
            begin = start
        else:
            out += data[at:start]
        whole = (len(out), len(out) + len(unit.text))
        out += unit.text
        at = max(at, start + unit.size)
    out += data[at:]
    limit = max(size, largest)
    if whole is not None and len(out) > limit:
        # no longer than it was, or than a packet that was sent, but never a part of a unit
        if limit < whole[1]:
            limit = whole[0] or whole[1]
        fin = fin and limit >= len(out)
        del out[limit:]
    return segment.seq + begin & _MASK, bytes(out), fin
