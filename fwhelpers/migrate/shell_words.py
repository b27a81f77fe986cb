"""Splits shell scripts and the output of iptables-save into commands. Nothing is expanded."""

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
    """The words of a command, without quotes, with variables unexpanded."""

    line: int
    words: list[str] = field(default_factory=list)


def commands(text: str) -> Iterator[Command]:
    """Yield the commands of a script; a continued command has the number of its first line."""
    line, command = 1, Command(1)
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "word":
            command.words.append(_plain(match[0]))
        elif kind == "end":
            if command.words:
                yield command
            line += match[0] == "\n"
            command = Command(line)
        elif match[0] == "\\\n":
            line += 1
    if command.words:
        yield command


def _plain(word: str) -> str:
    return _QUOTED.sub(lambda match: match[1] or match[2] or match[3] or "", word)
