"""Diagnoses the rules of other tables, given as the objects of `nft -j list ruleset`. No I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fwhelpers.api import KERNEL_HELPERS, Helper
from fwhelpers.config import HelperConfig
from fwhelpers.firewalld.diagnostics import Diagnostic
from fwhelpers.ruleset.syntax import PIN_TABLE, TABLE

#: NF_IP_PRI_CONNTRACK. Before it `ct helper set` finds no connection (nft_ct.c: nft_ct_helper_obj_eval)
CONNTRACK = -200
ASSIGN = -150  #: the priority at which we assign, nft's `mangle`

Place = tuple[str, str, str]  #: family, table and name
Enabled = Sequence[tuple[HelperConfig, Helper]]
Object = Mapping[str, Any]

_IP = ("ip", "ip6", "inet")
_TARGET = re.compile(r'"(?:jump|goto)": \{"target": "([^"]+)"\}')
_NAMED = re.compile(r'"@([^"]+)"')
_ICMP = {"icmp", "icmpv6", "ipv6-icmp"}
_PROTOCOLS = {"l4proto", "protocol", "nexthdr"}
_NO_CONDITION = {"counter", "log", "comment"}


@dataclass(frozen=True, slots=True)
class ForeignAssignment:
    """A rule of another table that assigns a helper."""

    kind: str  #: the helper's name in the kernel
    chain: str  #: family, table and chain
    #: of the earliest chain at a hook from which the rule is reached; 0 if none is known
    priority: int


def of_rulesets(objects: Iterable[Object], enabled: Enabled = ()) -> Iterator[Diagnostic]:
    """Yield the mistakes of a ruleset. `enabled`: the helpers that we inspect with, for their names and ports."""
    ruleset = _Ruleset(objects)
    ours = {helper.kernel_name for _, helper in enabled}
    for foreign in ruleset.assignments():
        if foreign.priority < CONNTRACK:
            yield Diagnostic(
                foreign.chain,
                f"assigns helper {foreign.kind} at priority {foreign.priority}, before conntrack and without effect",
                f"move the rule behind {CONNTRACK}, or remove it",
            )
        elif foreign.priority < ASSIGN and foreign.kind not in ours:
            yield Diagnostic(
                foreign.chain,
                f"assigns helper {foreign.kind} at priority {foreign.priority}, before ours",
                f"remove the rule, or move it behind {ASSIGN}: the first assignment wins",
            )
        elif foreign.priority == ASSIGN and foreign.kind not in ours:
            yield Diagnostic(
                foreign.chain,
                f"assigns helper {foreign.kind} at our priority {ASSIGN}: of equal chains the one loaded last is first",
                f"move the rule behind {ASSIGN}: the first assignment wins",
            )
    yield from ruleset.unaccepted()
    yield from ruleset.untracked(enabled)


def of_helpers(objects: Iterable[Object]) -> Iterator[ForeignAssignment]:
    """Yield the assignments of other tables that take effect."""
    assignments = _Ruleset(objects).assignments()
    return (foreign for foreign in assignments if foreign.priority >= CONNTRACK)


class _Ruleset:
    """The chains, rules, sets and maps of the families that filter IP, without our own tables."""

    def __init__(self, objects: Iterable[Object]) -> None:
        self.chains: dict[Place, Object] = {}
        self.rules: dict[Place, list[Object]] = {}
        self.sets: dict[Place, Sequence[Any]] = {}
        self.helpers: dict[Place, str] = {}
        for item in objects:
            for kind, value in item.items():
                if value.get("family") in _IP and value.get("table") not in (TABLE, PIN_TABLE):
                    self._add(kind, value)

    def _add(self, kind: str, value: Object) -> None:
        if kind == "rule":
            place = value["family"], value["table"], value["chain"]
            self.rules.setdefault(place, []).append(value)
        elif kind == "chain":
            self.chains[_place(value)] = value
        elif kind in ("set", "map"):  # an empty one has no "elem"
            self.sets[_place(value)] = value.get("elem", ())
        elif kind == "ct helper":
            self.helpers[_place(value)] = value["type"]

    # helpers

    def assignments(self) -> Iterator[ForeignAssignment]:
        """Yield each assignment, also those that come too early to take effect."""
        for place, rules in self.rules.items():
            names = dict.fromkeys(name for rule in rules for name in self._assigned(rule))
            for name in names:
                kind = self.helpers.get((*place[:2], name), name)
                yield ForeignAssignment(kind, " ".join(place), self._priority(place))

    def _assigned(self, rule: Object) -> Iterator[str]:
        for statement in _statements(rule):
            value = statement.get("ct helper")
            if isinstance(value, str):
                yield value
            elif isinstance(value, dict) and "map" in value:
                pairs = self._elements(rule, value["map"].get("data"))
                yield from (pair[1] for pair in pairs if isinstance(pair, list))

    def _priority(self, place: Place) -> int:
        hooked = [self.chains[chain]["prio"] for chain in self._callers(place)]
        effective = [priority for priority in hooked if priority >= CONNTRACK]
        return min(effective or hooked, default=0)

    def _callers(self, place: Place) -> set[Place]:
        """Return the chains at hooks from which a chain is reached."""
        reached, pending = {place}, [place]
        while pending:
            callers = self._jumps.get(pending.pop(), set()) - reached
            reached |= callers
            pending += callers
        return {chain for chain in reached if "prio" in self.chains.get(chain, ())}

    @cached_property
    def _jumps(self) -> dict[Place, set[Place]]:
        """The chains that jump or go to each chain."""
        jumps: dict[Place, set[Place]] = {}
        for caller, rules in self.rules.items():
            for name in (name for rule in rules for name in _TARGET.findall(self._text(rule))):
                jumps.setdefault((*caller[:2], name), set()).add(caller)
        return jumps

    # sets and maps

    def _elements(self, rule: Object, data: Any) -> Sequence[Any]:
        """Return the elements of a set or map in a rule, or of the named one."""
        if isinstance(data, str):
            return self.sets.get((rule["family"], rule["table"], data.removeprefix("@")), ())
        elements = data.get("set", ()) if isinstance(data, dict) else ()
        return elements if isinstance(elements, list) else [elements]

    def _text(self, rule: Object) -> str:
        """Return a rule as JSON, with the named sets and maps that it uses."""
        text = json.dumps(rule.get("expr", ()))
        named = [self._elements(rule, name) for name in _NAMED.findall(text)]
        return text + json.dumps(named)

    # related connections

    def unaccepted(self) -> Iterator[Diagnostic]:
        """Yield chains that drop what no rule of their table accepts as related."""
        accepting = {
            place[:2] for place, rules in self.rules.items() if any(map(self._admits, rules))
        }
        for place, chain in self.chains.items():
            filters = chain.get("type") == "filter" and chain.get("hook") in ("input", "forward")
            if filters and self._drops(place) and place[:2] not in accepting:
                yield Diagnostic(
                    " ".join(place),
                    f"{self._drops(place)} and no rule that accepts related connections of our helpers",
                    f"nft insert rule {' '.join(place)} ct state established,related accept",
                )

    def _drops(self, place: Place) -> str:
        """Return how a chain drops what its other rules leave, empty if it does not."""
        if self.chains[place].get("policy") == "drop":
            return "has policy drop"
        last = self.rules.get(place, [{}])[-1]
        *others, verdict = list(_statements(last)) or [{}]
        final = not verdict.keys().isdisjoint({"drop", "reject"})
        plain = all(other.keys() <= _NO_CONDITION for other in others)
        return "drops in its last rule" if final and plain else ""

    def _admits(self, rule: Object) -> bool:
        """Return whether a rule may accept related connections of our helpers."""
        statements = list(_statements(rule))
        keys = {key for statement in statements for key in statement}
        if "xt" in keys:  # nft shows no details of iptables-nft's matches
            return True
        if not keys.isdisjoint({"drop", "reject"}) or any(map(_limits, statements)):
            return False
        return any(map(_is_related, statements)) or (
            "vmap" in keys and '"related"' in self._text(rule)
        )

    # notrack

    def untracked(self, enabled: Enabled) -> Iterator[Diagnostic]:
        """Yield rules that exempt a helper's port from conntrack."""
        for place, rules in self.rules.items():
            for rule in rules:
                if any("notrack" in statement for statement in rule.get("expr", ())):
                    yield from self._untracked(place, rule, enabled)

    def _untracked(self, place: Place, rule: Object, enabled: Enabled) -> Iterator[Diagnostic]:
        for l4, elements in self._ports(rule):
            for config, helper in enabled:
                hit = sorted(port for port in config.ports if _holds(elements, port))
                if hit and (l4 in helper.l4s or l4 == "th"):
                    yield Diagnostic(" ".join(place), *untracked(helper.name, hit))

    def _ports(self, rule: Object) -> Iterator[tuple[str, Sequence[Any]]]:
        for statement in _statements(rule):
            match = statement.get("match", {})
            payload = _operand(match, "payload")
            if payload.get("field") in ("dport", "sport") and match.get("op") == "==":
                right = match.get("right")
                named = isinstance(right, str) or (isinstance(right, dict) and "set" in right)
                yield payload["protocol"], self._elements(rule, right) if named else [right]


def untracked(name: str, ports: Sequence[int]) -> tuple[str, str]:
    """Return the problem and the hint for a rule that exempts a helper's ports from conntrack."""
    listed = ", ".join(map(str, ports))
    return (
        f"notrack for port {listed}: helper {name} sees no connection there",
        "except the port from the rule, or disable the helper",
    )


def _place(item: Object) -> Place:
    return item["family"], item["table"], item["name"]


def _statements(rule: Object) -> Iterator[Mapping[str, Any]]:
    return (statement for statement in rule.get("expr", ()) if isinstance(statement, dict))


def _operand(match: Object, kind: str) -> Mapping[str, Any]:
    operand = match.get("left")
    value = operand.get(kind) if isinstance(operand, dict) else None
    return value if isinstance(value, dict) else {}


def _values(right: Any) -> set[str]:
    if isinstance(right, dict):
        right = right.get("set", ())
    return {str(value) for value in right} if isinstance(right, list) else {str(right)}


def _is_related(statement: Object) -> bool:
    match = statement.get("match", {})
    key, values = str(_operand(match, "ct").get("key")), _values(match.get("right"))
    negated = match.get("op") == "!="
    if key == "state":
        return ("related" in values) is not negated
    return key == "status" and "expected" in values and not negated


def _limits(statement: Object) -> bool:
    """Return whether a condition leaves out all connections of our helpers: ICMP, or the kernel's helpers."""
    match = statement.get("match", {})
    values = _values(match.get("right"))
    if match.get("op") == "!=":
        return False
    if _operand(match, "ct").get("key") == "helper":
        return values <= KERNEL_HELPERS
    fields = {_operand(match, "payload").get("field"), _operand(match, "meta").get("key")}
    by_protocol = not fields.isdisjoint(_PROTOCOLS) and values <= _ICMP
    return by_protocol or _operand(match, "payload").get("protocol") in _ICMP


def _holds(elements: Sequence[Any], port: int) -> bool:
    for element in elements:
        if isinstance(element, dict) and "elem" in element:  # with a timeout or comment
            element = element["elem"].get("val")
        if isinstance(element, dict) and "range" in element:
            low, high = element["range"]
            if low <= port <= high:
                return True
        elif element == port:
            return True
    return False
