"""Commands of shell scripts (and lines of iptables-save), as far as their words stand there literally."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

# quotes end at the line's end: an apostrophe in a here-document must not swallow the rest of the script
_PIECE = r"[^\s\"'\\;&|#]|\\[^\n]|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'"
_TOKEN = re.compile(
    rf"(?P<word>(?:{_PIECE})(?:{_PIECE}|\#)*)|(?P<skip>\#[^\n]*|\\\n|[^\S\n])|(?P<end>[\n;&|])|(?P<other>.)"
)
_QUOTED = re.compile(r"\\(.)|\"((?:[^\"\\]|\\.)*)\"|'([^']*)'")


@dataclass(slots=True)
class Command:
    """The words of a command, quotes removed, variables as written."""

    line: int
    words: list[str] = field(default_factory=list)


def commands(text: str) -> Iterator[Command]:
    """All commands of a script; one that goes on behind a backslash has its first line's number."""
    line, command = 1, Command(1)
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup
        if kind == "word":
            command.words.append(_plain(found[0]))
        elif kind == "end":
            if command.words:
                yield command
            line += found[0] == "\n"
            command = Command(line)
        elif found[0] == "\\\n":
            line += 1
    if command.words:
        yield command


def _plain(word: str) -> str:
    return _QUOTED.sub(lambda found: found[1] or found[2] or found[3] or "", word)
