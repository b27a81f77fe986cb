"""Reads nftables rules that assign a helper or match the connections of a helper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from fwhelpers.migrate import nft_syntax
from fwhelpers.migrate.exits import Exit, before
from fwhelpers.migrate.iptables import Finding, Match, Unsupported
from fwhelpers.migrate.limits import Assignment, Conditions, Unfit, interface, networks, ports
from fwhelpers.migrate.nft_syntax import Ruleset, Statement, Table
from fwhelpers.migrate.notes import Origin, shown

_TABLES = {"ip": {4}, "ip6": {6}, "inet": {4, 6}}
_FAMILIES = {"ip": 4, "ipv4": 4, "ip6": 6, "ipv6": 6}


class _Object(NamedTuple):
    type: str
    l4: str
    family: int | None


def read(file: str, text: str) -> Iterator[Finding]:
    """Yield the rules that concern helpers; others are ignored."""
    ruleset = nft_syntax.scan(text)
    objects = {key: _object(statements) for key, statements in ruleset.objects.items()}
    for table, chain, statement in ruleset.rules:
        origin = Origin(file, statement.line)
        hook = ruleset.hooks.get((table, chain), chain)
        if "set" in statement.words:
            rule = _rule(table, hook, statement, objects, origin)
            passed = (
                before(rule, _exits(ruleset, table, chain, origin))
                if isinstance(rule, Assignment)
                else None
            )
            yield Unsupported(rule.helper, origin, passed.reason()) if passed else rule
        else:
            yield from (Match(name, origin) for name in _matched(statement.words))


def _object(statements: list[Statement]) -> _Object:
    words = tuple(word for statement in statements for word in statement.words)
    attributes = dict(pairwise(words))
    family = _FAMILIES.get(attributes.get("l3proto", ""))
    return _Object(attributes.get("type", "").strip('"'), attributes.get("protocol", ""), family)


def _matched(words: tuple[str, ...]) -> Iterator[str]:
    for at in range(len(words) - 2):
        if words[at : at + 2] == ("ct", "helper"):
            yield words[at + 2].strip('"')


def _exits(ruleset: Ruleset, table: Table, chain: str, at: Origin) -> Iterator[Exit]:
    """Yield the rules of a chain before a line behind which the chain may not go on."""
    for exit_table, exit_chain, statement in ruleset.exits:
        here = (exit_table, exit_chain) == (table, chain) and statement.line < at.line
        if here and _concerns_first(statement.words):
            rule = _Rule(statement.words, Conditions(set(_TABLES.get(table[0], ()))))
            with suppress(Unfit):
                rule.all()
            yield Exit(replace(at, line=statement.line), rule.conditions)


def _concerns_first(words: tuple[str, ...]) -> bool:
    """Return whether a rule may match a connection's first packet, which alone can get a helper."""
    states = ("ct", "state") in pairwise(words)
    return not states or "new" in words or any(word.startswith("@") for word in words)


def _rule(
    table: Table,
    hook: str,
    statement: Statement,
    objects: dict[tuple[Table, str], _Object],
    origin: Origin,
) -> Assignment | Unsupported:
    named = statement.words[statement.words.index("set") + 1 :][:1]
    object_ = objects.get((table, "".join(named).strip('"')))
    try:
        if object_ is None:
            raise Unfit("its ct helper object is not in these files or comes from a map")
        rule = _Rule(statement.words, Conditions(set(_TABLES.get(table[0], ()))))
        rule.all()
        rule.conditions.protocol(object_.l4)
        if object_.family:
            rule.conditions.family(object_.family)
        return rule.conditions.assignment(object_.type, hook, origin)
    except Unfit as error:
        return Unsupported(object_.type if object_ else "a helper", origin, str(error))


class _Rule:
    """Parses the words of a rule one by one."""

    def __init__(self, words: tuple[str, ...], conditions: Conditions) -> None:
        self.words = words
        self.at = 0
        self.conditions = conditions

    def all(self) -> None:
        """Parse all words. Raises Unfit for a condition without a key."""
        while self.at < len(self.words):
            first = self.next()
            if first in _SINGLE:
                _SINGLE[first](self)
                continue
            pair = f"{first} {self.next()}"
            if pair not in _PAIRS:
                raise Unfit(f"there is no key for {shown(pair.strip())}")
            _PAIRS[pair](self)

    def next(self) -> str:
        """Return the next word, an empty one at the end."""
        self.at += 1
        return self.words[self.at - 1] if self.at <= len(self.words) else ""

    def values(self) -> list[str]:
        """Parse a value or a set of values."""
        word = self.next()
        if word == "==":
            word = self.next()
        if word != "{":
            values = [word]
            while self.words[self.at : self.at + 1] == (",",):
                self.at += 1
                values.append(self.next())
            return [self._value(value) for value in values]
        try:
            end = self.words.index("}", self.at)
        except ValueError:
            raise Unfit("a set without an end") from None
        inner, self.at = self.words[self.at : end], end + 1
        return [self._value(word) for word in inner if word not in (",", ";")]

    def _value(self, word: str) -> str:
        if word in ("!=", "<", ">", "<=", ">=", "map", "vmap", ":", ".", "&", "{", ""):
            raise Unfit(f"there is no key for {word or 'a missing value'}")
        return word.strip('"')

    def counter(self) -> None:
        for word in ("packets", "bytes"):
            if self.words[self.at : self.at + 1] == (word,):
                self.at += 2

    def comment(self) -> None:
        self.next()

    def ports(self, l4: str) -> None:
        if l4:
            self.conditions.protocol(l4)
        self.conditions.ports |= ports(self.values())

    def addresses(self, family: int, *, source: bool) -> None:
        self.conditions.family(family)
        prefixes = networks(self.values())
        if source:
            self.conditions.sources |= prefixes
        else:
            self.conditions.destinations |= prefixes

    def incoming(self) -> None:
        self.conditions.interfaces |= {interface(name, "*") for name in self.values()}

    def l4proto(self) -> None:
        protocols = {{"6": "tcp", "17": "udp"}.get(value, value) for value in self.values()}
        if protocols != {"tcp", "udp"}:  # else the object has the protocol
            self.conditions.protocol(" or ".join(sorted(protocols)))

    def nfproto(self) -> None:
        (value, *more) = self.values()
        if more or value not in _FAMILIES:
            raise Unfit(f"there is no key for nfproto {shown(value)}")
        self.conditions.family(_FAMILIES[value])

    def state(self) -> None:
        if "new" not in self.values():  # only the first packet can assign a helper
            raise Unfit("its state excludes the first packet")

    def set_helper(self) -> None:
        if self.next() != "set":
            raise Unfit("it also matches a helper")
        self.next()  # the object's name


_SINGLE: dict[str, Callable[[_Rule], None]] = {
    "counter": _Rule.counter,
    "comment": _Rule.comment,
    "iifname": _Rule.incoming,
    "iif": _Rule.incoming,
    "accept": lambda rule: None,
}

_PAIRS: dict[str, Callable[[_Rule], None]] = {
    "tcp dport": partial(_Rule.ports, l4="tcp"),
    "udp dport": partial(_Rule.ports, l4="udp"),
    "th dport": partial(_Rule.ports, l4=""),
    "ip saddr": partial(_Rule.addresses, family=4, source=True),
    "ip daddr": partial(_Rule.addresses, family=4, source=False),
    "ip6 saddr": partial(_Rule.addresses, family=6, source=True),
    "ip6 daddr": partial(_Rule.addresses, family=6, source=False),
    "ip protocol": _Rule.l4proto,
    "ip6 nexthdr": _Rule.l4proto,
    "meta l4proto": _Rule.l4proto,
    "meta nfproto": _Rule.nfproto,
    "meta iifname": _Rule.incoming,
    "ct state": _Rule.state,
    "ct helper": _Rule.set_helper,
}
