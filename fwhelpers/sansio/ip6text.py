"""IPv6 addresses as text of a given length.

The kernel adjusts sequence numbers of IPv6 connections wrongly when a rewritten payload changes its length, so the new
address must have exactly as many characters as the old one. RFC 4291 §2.2 allows many forms of an address: leading
zeros in each group, and "::" in place of any run of zero groups. inet_pton() accepts all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack

LONGEST = 39  #: eight groups of four digits


def of_length(addr: bytes, size: int) -> bytes | None:
    """Return a form of the address with exactly `size` characters, None if there is none."""
    for head, tail in _skeletons(unpack("!8H", addr)):
        text = _padded(head, tail, size)
        if text is not None:
            return text
    return None


def _skeletons(groups: tuple[int, ...]) -> Iterator[tuple[list[str], list[str] | None]]:
    """Yield the groups before and after "::", the most compressed form first. None: the form has no "::"."""
    words = [f"{group:x}" for group in groups]
    start, end = _zero_run(words)
    # "::" for a single group is valid too, but some parsers reject it
    for written in range(end - start - 1):
        yield words[: start + written], words[end:]
        yield words[:start], words[end - written :]
    yield words, None


def _zero_run(words: list[str]) -> tuple[int, int]:
    best = (0, 0)
    start = 0
    for at, word in enumerate([*words, "end"]):
        if word == "0":
            continue
        if at - start > best[1] - best[0]:
            best = (start, at)
        start = at + 1
    return best


def _padded(head: list[str], tail: list[str] | None, size: int) -> bytes | None:
    words = head + (tail or [])
    bare = len(_joined(head, tail))
    if not bare <= size <= bare + sum(4 - len(word) for word in words):
        return None
    missing = size - bare
    for at, word in enumerate(words):
        zeros = min(missing, 4 - len(word))
        words[at] = "0" * zeros + word
        missing -= zeros
    cut = len(head)
    return _joined(words[:cut], None if tail is None else words[cut:]).encode()


def _joined(head: list[str], tail: list[str] | None) -> str:
    if tail is None:
        return ":".join(head)
    return ":".join(head) + "::" + ":".join(tail)
