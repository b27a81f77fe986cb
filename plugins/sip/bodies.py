"""Finds the session descriptions in the body of a message, alone or as parts of a multipart (RFC 2046 §5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fwhelpers.sansio.sdp import Span

MAX_PARTS = 16
MAX_DEPTH = 3

_BOUNDARY = re.compile(rb"; *boundary *= *(?:\"([^\"]{1,70})\"|([^\s;\"]{1,70}))", re.IGNORECASE)
_TYPE = re.compile(
    rb"^(?:content-type|c)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE | re.MULTILINE
)
_ENCODED = re.compile(
    rb"^content-(?:transfer-)?encoding[ \t]*:(?![ \t]*(?:[78]bit|binary|identity))",
    re.IGNORECASE | re.MULTILINE,
)
_EMPTY_LINE = re.compile(rb"\r?\n\r?\n")
_BLANKS = bytes.maketrans(b"\r\n\t", b"   ")


def may_describe(content_type: bytes) -> bool:
    """Return whether a body of this type can hold a session description."""
    kind = _kind(content_type)
    return kind == b"application/sdp" or kind.startswith(b"multipart/")


def descriptions(content_type: bytes, data: bytes, body: Span, depth: int = 0) -> Iterator[Span]:
    """Yield the places of the session descriptions in data[body]. `content_type` as in the header field."""
    kind = _kind(content_type)
    if kind == b"application/sdp":
        yield body
    boundary = _BOUNDARY.search(content_type) if kind.startswith(b"multipart/") else None
    if boundary and depth < MAX_DEPTH:
        delimiter = b"--" + (boundary[1] or boundary[2])
        for part in _parts(data, body, delimiter):
            yield from _of_part(data, part, depth + 1)


def _kind(content_type: bytes) -> bytes:
    return content_type.partition(b";")[0].strip().lower()


def _parts(data: bytes, body: Span, delimiter: bytes) -> Iterator[Span]:
    # a delimiter begins a line; the line end before it belongs to it
    begin, end = body
    start = begin if data.startswith(delimiter, begin) else _next(data, begin, end, delimiter)
    for _ in range(MAX_PARTS):
        if start < 0 or data.startswith(b"--", start + len(delimiter)):
            return
        line_end = data.find(b"\n", start, end)
        if line_end < 0:
            return
        following = _next(data, line_end, end, delimiter)
        stop = end if following < 0 else following - 1
        yield line_end + 1, max(line_end + 1, stop)
        start = following


def _next(data: bytes, begin: int, end: int, delimiter: bytes) -> int:
    place = data.find(b"\n" + delimiter, begin, end)
    return place + 1 if place >= 0 else -1


def _of_part(data: bytes, part: Span, depth: int) -> Iterator[Span]:
    begin, end = part
    separator = _EMPTY_LINE.search(data, begin, end)
    if not separator:
        return
    head = data[begin : separator.end()]
    content_type = _TYPE.search(head)
    if content_type and not _ENCODED.search(head):
        value = content_type[1].translate(_BLANKS).strip()
        yield from descriptions(value, data, (separator.end(), end), depth)
