"""One direction of a TCP stream: finds the bytes of a segment that are new and in order.

Segments are never delayed. Those behind a gap are buffered, within bounds, until the gap is filled. Retransmitted
bytes are compared with the delivered ones: a peer that sends different bytes for the same sequence numbers tries to
make the observer read another stream than the receiver (Ptacek and Newsham, 1998).
"""

from __future__ import annotations

_MASK = 0xFFFFFFFF
_HALF = 0x80000000

MAX_EARLY = 16 * 1024  #: bytes buffered behind a gap
MAX_EARLY_SEGMENTS = 32
MAX_RECENT = 16 * 1024  #: delivered bytes that are kept for comparison


class StreamError(Exception):
    """The direction can't be followed any further. `lost`: bytes are missing, none contradict."""

    def __init__(self, reason: str, *, lost: bool = False) -> None:
        super().__init__(reason)
        self.lost = lost


class HalfStream:
    """Follows one direction. Positions are stream offsets, counted from the first byte that it reads.

    `begins`: this is the stream's first byte. A segment with an earlier one contradicts that and is an error.
    """

    __slots__ = ("_begins", "_first", "_recent", "early", "next", "next_seq")

    def __init__(self, next_seq: int, *, begins: bool = False) -> None:
        self.next_seq = next_seq & _MASK  #: sequence number of the next byte to deliver
        self._begins = begins
        self._first = 0  # offset of the first byte that can be compared
        self.next = 0  #: offset of the next byte to deliver
        self._recent = bytearray()
        self.early: dict[int, bytes] = {}  #: segments behind a gap, by their offset

    @property
    def untouched(self) -> bool:
        """True at the beginning of the stream, before its first payload."""
        return self._begins and not self.next and not self.early

    @property
    def first_gap(self) -> int | None:
        """Offset of the first segment behind a gap, None if there is none."""
        return min(self.early) if self.early else None

    @property
    def complete(self) -> bool:
        """True if no segment waits behind a gap."""
        return not self.early

    def held(self) -> int:
        """Return the number of bytes in memory."""
        recent = len(self._recent)
        return recent + sum(map(len, self.early.values())) if self.early else recent

    def offset_of(self, seq: int) -> int:
        """Stream offset of a sequence number (negative: before the start)."""
        distance = (seq - self.next_seq) & _MASK
        return self.next + (distance - (1 << 32) if distance >= _HALF else distance)

    def since(self, seq: int | None) -> list[tuple[int, bytes]] | None:
        """Return the bytes from this sequence number on (None: from the start), as segments.

        None if not all of them are buffered. Each segment that waits behind a gap is returned as it is.
        """
        size = self.next if seq is None else (self.next_seq - seq) & _MASK
        if size > len(self._recent):
            return None
        first = (self.next_seq - size) & _MASK
        offset = self.next - size
        parts = [(first, bytes(self._recent[len(self._recent) - size :]))] if size else []
        parts += [((first + at - offset) & _MASK, data) for at, data in self.early.items()]
        return parts

    def feed(self, seq: int, data: bytes) -> bytes:
        """Take a segment; return the bytes that it puts in order.

        Raises StreamError for contradicting bytes, and when the bounds behind a gap are exceeded.
        """
        if seq == self.next_seq and not self.early:  # the usual segment
            return self._append(self.next, data)
        at = self.offset_of(seq)
        if at < 0 and self._begins and not (at == -1 and len(data) == 1):  # a keep-alive probe
            raise StreamError("payload before the beginning of the stream")
        if at > self.next:
            self._buffer(at, data)
            return b""
        fresh = self._append(at, data)
        return fresh + self._early_bytes() if self.early else fresh

    def skip(self, seq: int) -> None:
        """Continue at this sequence number. Offsets keep counting delivered bytes; earlier bytes are not compared."""
        self._first = self.next
        self.next_seq = seq & _MASK
        self._begins = False
        self._recent.clear()
        self.early.clear()

    def release(self) -> None:
        """Free the buffered bytes of a direction that is not followed any further."""
        self._begins = self.untouched
        self._recent.clear()
        self.early.clear()

    def _append(self, at: int, data: bytes) -> bytes:
        overlap = self.next - at
        if overlap:
            if data == b"\0" and overlap == 1:
                return b""  # a keep-alive probe of a stack that sends garbage (RFC 1122 §4.2.3.6)
            self._compare(at, data[:overlap])
        fresh = data[overlap:] if overlap else data
        self.next += len(fresh)
        self.next_seq = (self.next_seq + len(fresh)) & _MASK
        self._recent += fresh
        if len(self._recent) > 2 * MAX_RECENT:  # not each time, as it moves all bytes
            del self._recent[:-MAX_RECENT]
        return fresh

    def _compare(self, at: int, again: bytes) -> None:
        oldest = self.next - len(self._recent)
        first = max(at, self._first)
        if first < oldest:
            raise StreamError("retransmission of bytes that are not kept for comparison")
        again = again[first - at :]
        begin = first - oldest
        if self._recent[begin : begin + len(again)] != again:
            raise StreamError("retransmission with different bytes")

    def _buffer(self, at: int, data: bytes) -> None:
        held = self.early.get(at, b"")
        if data[: len(held)] != held[: len(data)]:
            raise StreamError("retransmission with different bytes")
        if len(data) > len(held):
            self.early[at] = data
        size = sum(map(len, self.early.values()))
        if size > MAX_EARLY or len(self.early) > MAX_EARLY_SEGMENTS:
            raise StreamError("segments missing", lost=True)

    def _early_bytes(self) -> bytes:
        out = bytearray()
        for at in sorted(self.early):
            if at > self.next:
                break
            out += self._append(at, self.early.pop(at))
        return bytes(out)
