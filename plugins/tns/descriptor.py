"""Oracle Net descriptors: the text that contains the addresses of a redirect.

    (DESCRIPTION=(ADDRESS_LIST=(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.2.2)(PORT=1522))(ADDRESS=…)))

Oracle Database Net Services Reference, "Syntax Rules for Configuration Files": keywords in any case, white space
between any two elements, values bare or in single or double quotes. Parentheses nest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from fwhelpers.api import Endpoint, ParseError

MAX_DEPTH = 8  #: groups within groups; real descriptors have four
MAX_ITEMS = 256  #: pairs of keyword and value, in all

# white space is matched on one side of each element only, so that no run of blanks is tried twice
_OPEN = re.compile(
    rb"\s*\(\s*(?P<key>[A-Za-z][A-Za-z0-9_.]{0,31})\s*=(?P<nested>(?=\s*\())?", re.ASCII
)
_VALUE = re.compile(
    rb"\s*(?:\"(?P<double>[^\"]*)\"\s*|'(?P<single>[^']*)'\s*|(?P<bare>(?![\"'\s])[^()]*|))\)"
)
_CLOSE = re.compile(rb"\s*\)")


@dataclass(frozen=True, slots=True)
class Word:
    """A value and its offsets in the text, without quotes and surrounding blanks."""

    text: bytes
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Address:
    """An `ADDRESS` group with a TCP endpoint."""

    host: Word
    port: Word

    @property
    def start(self) -> int:
        """Offset of host or port, whichever is first."""
        return min(self.host.start, self.port.start)

    @property
    def end(self) -> int:
        """Offset behind host or port, whichever is last."""
        return max(self.host.end, self.port.end)

    def rewritten(self, text: bytes, end: Endpoint) -> bytes:
        """Return text[start:end] with another endpoint."""
        before, between, after = self._parts(text, end)
        return before + between + after

    def fitted(self, text: bytes, end: Endpoint, size: int) -> bytes | None:
        """Like `rewritten`, padded to `size` bytes with blanks between the two groups; None if it is too long."""
        before, between, after = self._parts(text, end)
        missing = size - len(before) - len(between) - len(after)
        if missing < 0:
            return None
        cut = between.index(b"(")
        return before + between[:cut] + b" " * missing + between[cut:] + after

    def _parts(self, text: bytes, end: Endpoint) -> tuple[bytes, bytes, bytes]:
        new = [(self.host, end.host.encode()), (self.port, b"%d" % end.port)]
        (first, before), (second, after) = sorted(new, key=lambda pair: pair[0].start)
        return before, text[first.end : second.start], after


@dataclass(slots=True)
class _Group:
    key: bytes
    words: dict[bytes, Word] = field(default_factory=dict)


def addresses(text: bytes) -> list[Address | str]:
    """Return the addresses of a descriptor in order; one that is not TCP is replaced by the reason.

    Raises ParseError if the text is not a descriptor.
    """
    result: list[Address | str] = []
    groups: list[_Group] = []
    at = 0
    for _ in range(2 * MAX_ITEMS):
        if match := _OPEN.match(text, at):
            at = _open(text, match, groups)
        elif groups and (match := _CLOSE.match(text, at)):
            at = match.end()
            result += _close(groups.pop())
        else:
            break
    if groups or text[at:].strip():
        raise ParseError(f"not a descriptor at {at}: {text[at : at + 32]!r}")
    return result


def _open(text: bytes, match: re.Match[bytes], groups: list[_Group]) -> int:
    key, at = match["key"].upper(), match.end()
    if match["nested"] is not None:
        if len(groups) == MAX_DEPTH:
            raise ParseError(f"more than {MAX_DEPTH} nested groups")
        groups.append(_Group(key))
        return at
    value = _VALUE.match(text, at)
    if not value:
        raise ParseError(f"no value for {key[:32]!r} at {at}")
    if groups and groups[-1].key == b"ADDRESS":
        # clients may differ about which of two hosts in one address they use
        if key in groups[-1].words:
            raise ParseError(f"{key!r} twice in one address")
        groups[-1].words[key] = _word(text, value)
    return value.end()


def _word(text: bytes, match: re.Match[bytes]) -> Word:
    name = match.lastgroup or "bare"
    start, end = match.span(name)
    if name == "bare":
        end = start + len(text[start:end].rstrip())
    return Word(text[start:end], start, end)


def _close(group: _Group) -> list[Address | str]:
    if group.key != b"ADDRESS":
        return []
    protocol, host, port = (group.words.get(key) for key in (b"PROTOCOL", b"HOST", b"PORT"))
    # python-oracledb takes TCP for granted where PROTOCOL is missing
    name = protocol.text.lower() if protocol else b"tcp"
    if name != b"tcp":
        return [f"protocol {name[:16]!r} instead of tcp"]
    if host is None or port is None:
        return ["no host or no port"]
    return [Address(_unbracketed(host), port)]


def _unbracketed(host: Word) -> Word:
    if host.text[:1] + host.text[-1:] != b"[]":
        return host
    return Word(host.text[1:-1], host.start + 1, host.end - 1)
