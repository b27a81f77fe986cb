"""Parses conntrackd.conf by conntrackd's own scanner and grammar (src/read_config_lex.l, read_config_yy.y).

    Helper {
        Setup yes
        Type ftp inet tcp {
            QueueNum 0
            QueueLen 10240
            Policy ftp {
                ExpectMax 1
                ExpectTimeout 300
            }
        }
    }

Keywords are case-sensitive; yes, no, on and off are not. There are no quotes. A comment begins with # anywhere. Line
ends have no meaning. Only the section Helper is read; other sections are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fwhelpers.config.validators import suggest
from fwhelpers.migrate.notes import MigrationError, Origin, shown
from fwhelpers.migrate.tokens import Token, scan

_FAMILIES = {"inet": 4, "inet6": 6}
_L4S = ("tcp", "udp")
_SWITCH = {"yes": True, "on": True, "no": False, "off": False}
_OTHERS = ("General", "Sync", "Stats", "IgnoreProtocol", "IgnoreTrafficFor", "StripNAT")
_MAX_NUMBER = 2**31 - 1  # the scanner's atoi()


class Number(NamedTuple):
    """A number and its line."""

    value: int
    origin: Origin


@dataclass(frozen=True, slots=True)
class Policy:
    """A block `Policy`. conntrackd's default for both values is 0, not the helper's default."""

    name: str
    origin: Origin
    max: Number | None = None
    timeout: Number | None = None


@dataclass(frozen=True, slots=True)
class Type:
    """A block `Type`: a helper for an address family and a transport."""

    name: str
    family: int
    l4: str
    origin: Origin
    queue: Number | None = None
    length: Number | None = None
    policies: tuple[Policy, ...] = ()

    def __str__(self) -> str:
        return f"Type {shown(self.name)} {'inet' if self.family == 4 else 'inet6'} {self.l4}"


@dataclass(frozen=True, slots=True)
class Setup:
    """A line `Setup`; the last one is used."""

    on: bool
    origin: Origin


@dataclass(frozen=True, slots=True)
class Document:
    """The section Helper of a conntrackd.conf; `skipped` are the names of the other sections."""

    file: str
    types: tuple[Type, ...] = ()
    setup: Setup | None = None
    skipped: tuple[str, ...] = ()


def parse(file: str, text: str) -> Document:
    """Parse a conntrackd.conf. Raises MigrationError where conntrackd reports a syntax error."""
    return _Parser(file, text).document()


class _Parser:
    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.tokens = iter(scan(text))
        self.now = next(self.tokens)
        self.types: list[Type] = []
        self.setup: Setup | None = None
        self.skipped: list[str] = []

    def document(self) -> Document:
        while self.now.kind != "end":
            word = self.take("word", "a section like Helper { }")
            if word.text == "Helper":
                self.block({"Type": self.type, "Setup": self.switch})
            elif word.text in _OTHERS:
                self.skip(word)
            else:
                hint = suggest(word.text, ("Helper", *_OTHERS), "sections")
                raise self.error(word, f"there is no section {shown(word.text)}", hint)
        return Document(self.file, tuple(self.types), self.setup, tuple(self.skipped))

    def block(self, inside: Mapping[str, Callable[[Origin], None]]) -> None:
        """Parse a block of lines that begin with these words."""
        opened = self.take("{", "{")
        while self.now.kind not in ("}", "end"):
            word = self.take("word", " or ".join(inside))
            if word.text not in inside:
                hint = suggest(word.text, tuple(inside), "known words")
                raise self.error(word, f"{shown(word.text)} is not a keyword here", hint)
            inside[word.text](self.origin(word))
        self.close(opened)

    def close(self, opened: Token) -> None:
        if self.now.kind == "end":
            raise self.error(opened, "this block is never closed", "add a } where it ends")
        self.step()

    def skip(self, word: Token) -> None:
        """Skip a section, whatever its content."""
        self.skipped.append(word.text)
        opened, depth = self.now, 0
        while self.now.kind != "end":
            depth += {"{": 1, "}": -1}.get(self.now.kind, 0)
            if depth == 0:  # StripNAT has no block
                break
            self.step()
        if opened.kind == "{":
            self.close(opened)

    def type(self, origin: Origin) -> None:
        name = self.take("word", "a helper's name, like ftp").text
        family = _FAMILIES[self.choice(_FAMILIES)]
        l4 = self.choice(_L4S)
        numbers: dict[str, Number] = {}
        policies: list[Policy] = []
        self.block(
            {
                "QueueNum": lambda at: self.number(numbers, "queue"),
                "QueueLen": lambda at: self.number(numbers, "length"),
                "Policy": lambda at: policies.append(self.policy(at)),
            }
        )
        self.types.append(Type(name, family, l4, origin, policies=tuple(policies), **numbers))

    def policy(self, origin: Origin) -> Policy:
        name = self.take("word", "the policy's name").text
        numbers: dict[str, Number] = {}
        self.block(
            {
                "ExpectMax": lambda at: self.number(numbers, "max"),
                "ExpectTimeout": lambda at: self.number(numbers, "timeout"),
            }
        )
        return Policy(name, origin, **numbers)

    def switch(self, origin: Origin) -> None:
        word = self.take("word", "yes or no")
        if word.text.lower() not in _SWITCH:
            raise self.error(word, f"{shown(word.text)} is neither yes nor no", "write one of them")
        self.setup = Setup(_SWITCH[word.text.lower()], origin)

    def number(self, into: dict[str, Number], key: str) -> None:
        token = self.take("number", "a number")
        digits = token.text.lstrip("0")[:11] or "0"  # int() refuses thousands of digits
        if int(digits) > _MAX_NUMBER:
            raise self.error(token, "the number is too large", f"write at most {_MAX_NUMBER}")
        into[key] = Number(int(digits), self.origin(token))

    def choice(self, options: Iterable[str]) -> str:
        offer = " or ".join(options)
        word = self.take("word", offer)
        if word.text not in options:
            raise self.error(word, f"{shown(word.text)} is not known here", f"write {offer}")
        return word.text

    def take(self, kind: str, expected: str) -> Token:
        """Return the next token, which must have this kind. Raises MigrationError."""
        token = self.now
        if token.kind == "end":
            raise self.error(token, f"the file ends where {expected} belongs", "complete it")
        if token.kind != kind:
            hint = "remove it" if token.kind == "other" else f"write {expected}"
            raise self.error(token, f"{shown(token.text)} where {expected} belongs", hint)
        self.step()
        return token

    def step(self) -> None:
        self.now = next(self.tokens)

    def origin(self, token: Token) -> Origin:
        return Origin(self.file, token.line)

    def error(self, token: Token, problem: str, hint: str) -> MigrationError:
        return MigrationError(self.origin(token), problem, hint)
