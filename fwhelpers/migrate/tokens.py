"""Splits conntrackd.conf into tokens by the rules of its scanner (src/read_config_lex.l)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# `path` goes up to a space, a quote or the line's end: a # or a brace in it is part of it
_TOKEN = re.compile(
    r"(?P<word>[A-Za-z][A-Za-z0-9._-]*)|(?P<number>[0-9]+)|(?P<brace>[{}])|(?P<path>/[^\"\n ]*)"
    r"|(?P<skip>#[^\n]*|[ \t\r]+)|(?P<line>\n)|(?P<other>.)"
)


class Token(NamedTuple):
    """A word, a number, a path, { or }, another character, or the end."""

    kind: str
    text: str
    line: int


def scan(text: str) -> Iterator[Token]:
    """Yield all tokens; the last one has the kind "end". Any text is accepted."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind == "line":
            line += 1
        elif kind != "skip":
            yield Token(match[0] if kind == "brace" else kind, match[0], line)
    yield Token("end", "", line)
