"""A conversation as one byte string: each message begins with a mark and its direction.

    \1PKT | direction: bit 0 of one byte | message …

The framing of Zeek's fuzzers (src/fuzzers/FuzzBuffer.h), so that their corpora can be used as well. Bytes before the
first mark are ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MARK = b"\1PKT"
MAX_MESSAGES = 64


def join(messages: Iterable[tuple[bytes, bool]]) -> bytes:
    return b"".join(MARK + bytes((reply,)) + data for data, reply in messages)


def split(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield messages that are not empty, with True for the reply direction."""
    for part in data.split(MARK, MAX_MESSAGES)[1:]:
        if len(part) > 1:
            yield part[1:], bool(part[0] & 1)
