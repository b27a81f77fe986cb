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
MAX_RECENT = 4 * 1024  #: delivered bytes that are kept for comparison


class StreamError(Exception):
    """The direction can't be followed any further. `lost`: bytes are missing, none contradict."""

    def __init__(self, reason: str, *, lost: bool = False) -> None:
        super().__init__(reason)
        self.lost = lost


class HalfStream:
    """Follows one direction. Positions are stream offsets: 0 is the first byte after the handshake."""

    __slots__ = ("_early", "_next_seq", "_recent", "next")

    def __init__(self, next_seq: int, start: int = 0) -> None:
        self._next_seq = next_seq & _MASK
        self.next = start  #: offset of the next byte to deliver
        self._recent = b""
        self._early: dict[int, bytes] = {}

    @property
    def next_seq(self) -> int:
        """Sequence number of the next byte to deliver."""
        return self._next_seq

    @property
    def complete(self) -> bool:
        """True if no segment waits behind a gap."""
        return not self._early

    @property
    def buffered_bytes(self) -> int:
        """Bytes held in memory."""
        return len(self._recent) + sum(map(len, self._early.values()))

    def offset_of(self, seq: int) -> int:
        """Stream offset of a sequence number (negative: before the start)."""
        distance = (seq - self._next_seq) & _MASK
        return self.next + (distance - (1 << 32) if distance >= _HALF else distance)

    def since(self, seq: int | None) -> tuple[int, list[tuple[int, bytes]]] | None:
        """Return the bytes from this sequence number on (None: from the start), as segments, and their offset.

        None if not all of them are buffered. Each segment that waits behind a gap is returned as it is.
        """
        size = self.next if seq is None else (self._next_seq - seq) & _MASK
        if size > len(self._recent):
            return None
        first = (self._next_seq - size) & _MASK
        offset = self.next - size
        parts = [(first, self._recent[len(self._recent) - size :])] if size else []
        parts += [((first + at - offset) & _MASK, data) for at, data in self._early.items()]
        return offset, parts

    def feed(self, seq: int, data: bytes) -> bytes:
        """Take a segment; return the bytes that it puts in order.

        Raises StreamError for contradicting bytes, and when the bounds behind a gap are exceeded.
        """
        at = self.offset_of(seq)
        if at > self.next:
            self._buffer(at, data)
            return b""
        fresh = self._append(at, data)
        return fresh + self._early_bytes() if self._early else fresh

    def skip(self, seq: int) -> None:
        """Continue at this sequence number. Offsets keep counting delivered bytes."""
        self._next_seq = seq & _MASK
        self._recent = b""
        self._early.clear()

    def _append(self, at: int, data: bytes) -> bytes:
        overlap = self.next - at
        if overlap:
            if len(data) == 1 and overlap == 1:
                return b""  # a keep-alive probe, of some stacks with a garbage byte (RFC 1122 §4.2.3.6)
            self._compare(at, data[:overlap])
        fresh = data[overlap:]
        self.next += len(fresh)
        self._next_seq = (self._next_seq + len(fresh)) & _MASK
        self._recent = (self._recent + fresh)[-MAX_RECENT:]
        return fresh

    def _compare(self, at: int, again: bytes) -> None:
        oldest = self.next - len(self._recent)
        skipped = max(0, oldest - at)
        again = again[skipped:]
        begin = at + skipped - oldest
        if again and self._recent[begin : begin + len(again)] != again:
            raise StreamError("retransmission with different bytes")

    def _buffer(self, at: int, data: bytes) -> None:
        held = self._early.get(at, b"")
        if data[: len(held)] != held[: len(data)]:
            raise StreamError("retransmission with different bytes")
        if len(data) > len(held):
            self._early[at] = data
        size = sum(map(len, self._early.values()))
        if size > MAX_EARLY or len(self._early) > MAX_EARLY_SEGMENTS:
            raise StreamError("segments missing", lost=True)

    def _early_bytes(self) -> bytes:
        out = bytearray()
        for at in sorted(self._early):
            if at > self.next:
                break
            out += self._append(at, self._early.pop(at))
        return bytes(out)
