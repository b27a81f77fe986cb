"""Scans nftables rules and `ct helper` objects, from the output of `nft list ruleset` or commands `nft add …`.

table inet raw {
    ct helper ftp-std {
        type "ftp" protocol tcp
    }
    chain prerouting {
        type filter hook prerouting priority raw; policy accept;
        iifname "eth1" tcp dport { 21, 2121 } ct helper set "ftp-std"
    }
}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

Table = tuple[str, str]  #: family and name

_TOKEN = re.compile(
    r"(?P<string>\"[^\"\n]*\")|(?P<skip>\#[^\n]*|\\\n|[^\S\n]|[\\'])|(?P<line>\n)"
    r"|(?P<punct>[{};,])|(?P<word>[^\s{};,\"\#\\']+)|(?P<other>.)"
)
_ADD = frozenset({"add", "insert", "create"})
_FAMILIES = ("ip", "ip6", "inet", "arp", "bridge", "netdev")
#: verdicts and statements that may take connections out of a chain; a dropped packet makes no connection
_LEAVING = frozenset({"accept", "return", "goto", "queue", "notrack"})


class Statement(NamedTuple):
    """The words of a rule or an object, and its first line."""

    words: tuple[str, ...]
    line: int


@dataclass(slots=True)
class Ruleset:
    """The objects and rules that may concern helpers. `hooks` has the hook of each base chain.

    `exits` are the other rules behind which a chain may not go on.
    """

    objects: dict[tuple[Table, str], list[Statement]] = field(default_factory=dict)
    hooks: dict[tuple[Table, str], str] = field(default_factory=dict)
    rules: list[tuple[Table, str, Statement]] = field(default_factory=list)
    exits: list[tuple[Table, str, Statement]] = field(default_factory=list)


def scan(text: str) -> Ruleset:
    """Scan a ruleset; other text (a script around it) is ignored."""
    scanner = _Scanner()
    for word, line in _tokens(text):
        scanner.take(word, line)
    scanner.depth = 0  # the rule's parser reports a set that is not closed
    scanner.end()
    return scanner.ruleset


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line = 1
    for match in _TOKEN.finditer(text):
        if match.lastgroup != "skip":
            yield match[0], line
        line += match[0].endswith("\n")


class _Scanner:
    """Holds a stack of open blocks, and the words since the last ; or line end."""

    def __init__(self) -> None:
        self.ruleset = Ruleset()
        self.open: list[tuple[str, ...]] = []
        self.words: list[str] = []
        self.line = 0
        self.depth = 0  #: of braces within a statement

    def take(self, word: str, line: int) -> None:
        if self.depth:
            self.depth += {"{": 1, "}": -1}.get(word, 0)
            self.words.append(";" if word == "\n" else word)
        elif word in ("\n", ";"):
            self.end()
        elif word == "{":
            self.begin()
        elif word == "}":
            self.end()
            del self.open[-1:]
        else:
            self.line = self.line if self.words else line
            self.words.append(word)

    def begin(self) -> None:
        """Begin a block, or a set within a rule."""
        inside = self.open[-1][0] if self.open else ""
        if inside == "chain" or (not inside and _is_command(self.words)):
            self.depth = 1
            self.words.append("{")
        elif inside or self.words[:1] == ["table"]:
            relevant = self.words[:1] in (["table"], ["chain"], ["ct"])
            self.open.append(tuple(self.words) if relevant else ("other",))
            self.words = []
        else:  # a shell's function
            self.words = []

    def end(self) -> None:
        words, self.words = self.words, []
        statement = Statement(tuple(words), self.line)
        if not words:
            return
        if not self.open:
            self.command(words)
        elif self.open[-1][0] == "chain":
            self.rule(self.table(), self.open[-1][-1], statement)
        elif self.open[-1][:2] == ("ct", "helper"):
            self.object(self.table(), self.open[-1][-1], statement)

    def table(self) -> Table:
        return _table(self.open[0][1:])[0]

    def command(self, words: list[str]) -> None:
        """Read `nft add rule inet raw prerouting …`, `nft add ct helper …` or `nft add chain …`."""
        if not _is_command(words):
            return
        at = min(words.index(word) for word in _ADD if word in words)
        kind, *rest = words[at + 1 :] or [""]
        table, named = _table(tuple(rest[1:] if kind == "ct" else rest))
        if not named:
            return
        statement = Statement(named[1:], self.line)
        if kind in ("rule", "chain"):
            self.rule(table, named[0], statement)
        elif rest[:1] == ["helper"]:
            self.object(table, named[0], statement)

    def rule(self, table: Table, chain: str, statement: Statement) -> None:
        if "hook" in statement.words[:-1]:
            self.ruleset.hooks[table, chain] = statement.words[statement.words.index("hook") + 1]
        elif "helper" in statement.words:
            self.ruleset.rules.append((table, chain, statement))
        elif statement.words[:1] != ("policy",) and _leaves(statement.words):
            self.ruleset.exits.append((table, chain, statement))

    def object(self, table: Table, name: str, statement: Statement) -> None:
        self.ruleset.objects.setdefault((table, name), []).append(statement)


def _is_command(words: list[str]) -> bool:
    return not _ADD.isdisjoint(words[:6])


def _leaves(words: tuple[str, ...]) -> bool:
    mapped = any(word == "vmap" and after.startswith("@") for word, after in pairwise(words))
    return mapped or not _LEAVING.isdisjoint(words)


def _table(words: tuple[str, ...]) -> tuple[Table, tuple[str, ...]]:
    """Return the table, whose family is ip by default, and the words after it."""
    family, rest = (words[0], words[1:]) if words[:1] and words[0] in _FAMILIES else ("ip", words)
    return (family, "".join(rest[:1])), rest[1:]
