"""Record marking (RFC 5531 §11): the framing of ONC RPC in a TCP stream.

31 30                                0
| L | length of this fragment         |  L: the record's last fragment; its bytes and the next mark follow
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from fwhelpers.api import ParseError

LAST = 0x80000000  #: the bit L

MAX_RECORD = 64 * 1024  #: bytes
MAX_FRAGMENTS = 32  #: of a record that is not skipped
MAX_EMPTY = 4  #: empty fragments of a record, the last one not counted


@dataclass(frozen=True, slots=True)
class Record:
    """A complete record. `pieces` has for each fragment the offsets of its first byte in `data` and in the stream."""

    data: bytes
    pieces: tuple[tuple[int, int], ...]

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the offsets of data[start:end] in the stream, None if it spans two fragments."""
        ends = [piece[0] for piece in self.pieces[1:]] + [len(self.data)]
        for (begin, at), stop in zip(self.pieces, ends, strict=True):
            if begin <= start and end <= stop:
                return at + start - begin, at + end - begin
        return None


@dataclass(slots=True)
class Records:
    """Splits one direction of a stream into records."""

    #: skip fragments above MAX_RECORD instead of raising ParseError
    skip_long: bool = True
    limit: int = MAX_RECORD  #: bytes; longer records are skipped
    _at: int = 0  # stream offset of the next byte
    _mark: bytearray = field(default_factory=bytearray)
    _data: bytearray = field(default_factory=bytearray)
    _pieces: list[tuple[int, int]] = field(default_factory=list)
    _remaining: int = 0  # missing bytes of the fragment
    _last: bool = False
    _skipping: bool = False
    _empty: int = 0

    @property
    def buffered(self) -> int:
        """Number of buffered bytes."""
        return len(self._mark) + len(self._data)

    @property
    def between(self) -> bool:
        """True between two records."""
        return not (self._mark or self._pieces or self._skipping or self._remaining)

    def feed(self, data: bytes) -> Iterator[Record]:
        """Take the next bytes; yield the records that they complete. Raises ParseError."""
        pos = 0
        while pos < len(data):
            step = self._body(data, pos) if self._remaining else self._header(data, pos)
            pos += step
            self._at += step
            if not self._remaining and not self._mark:
                yield from self._fragment_read()

    def _body(self, data: bytes, pos: int) -> int:
        step = min(self._remaining, len(data) - pos)
        if not self._skipping:
            self._data += data[pos : pos + step]
        self._remaining -= step
        return step

    def _header(self, data: bytes, pos: int) -> int:
        step = min(4 - len(self._mark), len(data) - pos)
        self._mark += data[pos : pos + step]
        if len(self._mark) == 4:
            mark = int.from_bytes(self._mark, "big")
            self._mark.clear()
            self._last = bool(mark & LAST)
            self._begin(mark & ~LAST, self._at + step)
        return step

    def _begin(self, size: int, at: int) -> None:
        self._remaining = size
        if not size and not self._last:
            self._empty += 1
        self._pieces.append((len(self._data), at))
        if self._empty > MAX_EMPTY or (len(self._pieces) > MAX_FRAGMENTS and not self._skipping):
            raise ParseError("record of too many fragments")
        if len(self._data) + size > self.limit or self._skipping:
            self._skip(size)

    def _skip(self, size: int) -> None:
        if not self.skip_long and size > MAX_RECORD:
            raise ParseError(f"fragment of {size} bytes, records have at most {MAX_RECORD}")
        self._skipping = True
        self._data.clear()
        self._pieces.clear()

    def _fragment_read(self) -> Iterator[Record]:
        if not self._last:
            return
        record = None if self._skipping else Record(bytes(self._data), tuple(self._pieces))
        self._data.clear()
        self._pieces.clear()
        self._skipping = self._last = False
        self._empty = 0
        if record is not None:
            yield record
