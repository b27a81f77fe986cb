"""The way of a packet through a ruleset: which rules accept or drop it, which helpers it gets. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fwhelpers.cli.explain.matching import ABSENT, Packet, Truth, contains, matches, read
from fwhelpers.firewalld.rulesets import CONNTRACK
from fwhelpers.ruleset.syntax import TABLE

MAX_RULES = 200_000  #: evaluated for one packet; beyond, the rest is unknown
MAX_DEPTH = 16  #: NFT_JUMP_STACK_SIZE

ACCEPT, DROP, MAYBE = "accept", "drop", "maybe"

#: statements that end the way through a base chain, and what becomes of the packet
_ENDS = {"accept": ACCEPT, "drop": DROP, "reject": DROP, "queue": MAYBE}
#: conditions that depend on more than the packet
_CONDITIONS = {"limit", "quota", "ct count", "xt", "connlimit", "last", "socket", "osf"}

ChainKey = tuple[str, str, str]  #: family, table, name


@dataclass(frozen=True, slots=True)
class Step:
    """A rule or a policy that ends the packet's way through a base chain."""

    action: str
    truth: Truth  #: NO does not occur
    chain: ChainKey
    rule: str  #: its text; empty for the policy


@dataclass(frozen=True, slots=True)
class Assigned:
    """A helper that a rule assigns, by its name in the kernel."""

    helper: str
    truth: Truth
    chain: ChainKey
    rule: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What one base chain does with the packet; the steps explain it."""

    chain: ChainKey
    action: str  #: ACCEPT, DROP or MAYBE
    steps: tuple[Step, ...]


@dataclass(slots=True)
class Ruleset:
    """The chains, rules and sets of the families that filter IP, without our own tables' steering."""

    chains: dict[ChainKey, Mapping[str, Any]] = field(default_factory=dict)
    rules: dict[ChainKey, list[Mapping[str, Any]]] = field(default_factory=dict)
    sets: dict[tuple[str, str], dict[str, list[Any]]] = field(default_factory=dict)
    helpers: dict[ChainKey, str] = field(default_factory=dict)  #: kernel names of ct helper objects
    texts: dict[tuple[str, str, int], str] = field(default_factory=dict)  #: by table and handle

    @classmethod
    def parse(cls, objects: Iterable[Mapping[str, Any]], listing: str) -> Ruleset:
        """Read the objects of nft's JSON and the output of `nft -a list ruleset`."""
        ruleset = cls(texts=dict(rule_texts(listing)))
        for item in objects:
            for kind, value in item.items():
                ruleset._add(kind, value)
        return ruleset

    def _add(self, kind: str, value: Mapping[str, Any]) -> None:
        if kind == "rule":
            key = (value["family"], value["table"], value["chain"])
            self.rules.setdefault(key, []).append(value)
        elif kind == "chain":
            self.chains[value["family"], value["table"], value["name"]] = value
        elif kind == "ct helper":
            self.helpers[value["family"], value["table"], value["name"]] = value["type"]
        elif kind in ("set", "map"):  # they share their names; an empty one has no "elem"
            table = self.sets.setdefault((value["family"], value["table"]), {})
            table[value["name"]] = value.get("elem", [])

    def base_chains(self, hook: str, version: int, kind: str = "filter") -> list[ChainKey]:
        """Return the base chains of a hook that see this IP version, in the kernel's order."""
        families = ("inet", "ip" if version == 4 else "ip6")
        keys = [
            key
            for key, chain in self.chains.items()
            if key[0] in families and chain.get("hook") == hook and chain.get("type") == kind
        ]
        return sorted(keys, key=lambda key: int(self.chains[key].get("prio", 0)))

    def text(self, rule: Mapping[str, Any]) -> str:
        """Return a rule as nft prints it."""
        text = self.texts.get((rule["family"], rule["table"], rule["handle"]))
        return text or f"rule with handle {rule['handle']}"


_BLOCK = re.compile(r"^table (\S+) (\S+) \{")
_COUNTER = re.compile(r"counter packets \d+ bytes \d+ ")
_RULE = re.compile(r"^\t\t(.*) # handle (\d+)$")


def rule_texts(listing: str) -> Iterator[tuple[tuple[str, str, int], str]]:
    """Yield (family, table, handle) and the text of each rule of `nft -a list ruleset`."""
    family = table = ""
    for line in listing.splitlines():
        if block := _BLOCK.match(line):
            family, table = block.groups()
        elif rule := _RULE.match(line):
            yield (family, table, int(rule[2])), _COUNTER.sub("", rule[1])


def decide(ruleset: Ruleset, hook: str, packet: Packet) -> list[Decision]:
    """Return what each base chain of a hook does with the packet; those after a certain drop are left out."""
    decisions = []
    for key in ruleset.base_chains(hook, packet.source.version):
        if key[1] == TABLE:  # accepts and drops nothing
            continue
        walk = Walk(ruleset, packet)
        steps = tuple(walk.through(key))
        actions = {step.action for step in steps}
        decision = Decision(key, actions.pop() if len(actions) == 1 else MAYBE, steps)
        decisions.append(decision)
        if decision.action == DROP:
            break
    return decisions


def assigned_helpers(ruleset: Ruleset, hook: str, packet: Packet) -> list[Assigned]:
    """Return the helpers that rules of a hook assign to the packet's connection; the first one is effective."""
    assigned: list[Assigned] = []
    for key in ruleset.base_chains(hook, packet.source.version):
        if int(ruleset.chains[key].get("prio", 0)) < CONNTRACK:  # no connection yet
            continue
        walk = Walk(ruleset, packet)
        walk.through(key)
        assigned += walk.assigned
    return assigned


class Walk:
    """A packet on its way through one base chain."""

    def __init__(self, ruleset: Ruleset, packet: Packet) -> None:
        self.assigned: list[Assigned] = []
        self._steps: list[Step] = []
        self._ruleset, self._packet = ruleset, packet
        self._budget = MAX_RULES

    def through(self, key: ChainKey) -> list[Step]:
        """Return the steps that may end the way, the last one certain unless others are possible."""
        passing = self._chain(key, Truth.YES, 0)
        if passing is not Truth.NO:
            policy = self._ruleset.chains[key].get("policy", ACCEPT)
            self._steps.append(Step(policy, passing, key, ""))
        return self._steps

    def _chain(self, key: ChainKey, reach: Truth, depth: int) -> Truth:
        """Return whether a packet that reaches the chain like this leaves it at its end or by `return`."""
        returned = Truth.NO
        for rule in self._ruleset.rules.get(key, ()):
            self._budget -= 1
            if self._budget < 0 or depth > MAX_DEPTH:
                self._steps.append(Step(MAYBE, Truth.MAYBE, key, "too many rules"))
                return Truth.MAYBE
            reach, returning = self._rule(rule, key, reach, depth)
            returned = max(returned, returning)
            if reach is Truth.NO:
                break
        return max(reach, returned)

    def _rule(
        self, rule: Mapping[str, Any], key: ChainKey, reach: Truth, depth: int
    ) -> tuple[Truth, Truth]:
        """Return whether the packet goes on to the next rule, and whether it returns from the chain."""
        truth = reach
        sets = self._ruleset.sets.get(key[:2], {})
        for statement in rule.get("expr", ()):
            if not isinstance(statement, dict):  # "notrack", "counter" without details
                continue
            ((name, value),) = statement.items()
            if name == "match":
                truth = min(truth, matches(value, self._packet, sets))
            elif name in _CONDITIONS:
                truth = min(truth, Truth.MAYBE)
            elif name == "ct helper":
                self._assign(value, rule, key, truth)
            elif name == "vmap":
                return self._map(value, rule, key, reach, truth, depth)
            elif name in _ENDS or name in ("jump", "goto", "return"):
                returning, stays = self._verdict(name, value, rule, key, truth, depth)
                return max(_unless(truth, reach), stays), returning
            if truth is Truth.NO:
                break
        return reach, Truth.NO

    def _assign(self, value: Any, rule: Mapping[str, Any], key: ChainKey, truth: Truth) -> None:
        sets = self._ruleset.sets.get(key[:2], {})
        names = [(value, truth)]
        if isinstance(value, dict):  # from a map
            field_value = read(value["map"]["key"], self._packet)
            pairs = value["map"]["data"].get("set", ()) if field_value is not ABSENT else ()
            hits = ((name, contains(field_value, at, sets, exact=False)) for at, name in pairs)
            names = [(name, min(truth, hit)) for name, hit in hits if hit is not Truth.NO]
        for name, reach in names:
            helper = self._ruleset.helpers.get((*key[:2], name), name)
            self.assigned.append(Assigned(helper, reach, key, self._ruleset.text(rule)))

    def _verdict(
        self,
        name: str,
        value: Any,
        rule: Mapping[str, Any],
        key: ChainKey,
        truth: Truth,
        depth: int,
    ) -> tuple[Truth, Truth]:
        """Return whether the packet returns from the chain, and whether it comes back to the next rule."""
        if truth is Truth.NO:
            return Truth.NO, Truth.NO
        if name in ("return", "continue"):
            return (truth, Truth.NO) if name == "return" else (Truth.NO, truth)
        if name in _ENDS:
            self._steps.append(Step(_ENDS[name], truth, key, self._ruleset.text(rule)))
            return Truth.NO, Truth.NO
        passing = self._chain((*key[:2], value["target"]), truth, depth + 1)
        return (passing, Truth.NO) if name == "goto" else (Truth.NO, passing)

    def _map(
        self, value: Any, rule: Mapping[str, Any], key: ChainKey, reach: Truth, truth: Truth,
        depth: int,
    ) -> tuple[Truth, Truth]:  # fmt: skip
        """Follow the verdicts of a verdict map whose keys the packet has or may have."""
        field_value = read(value["key"], self._packet)
        if field_value is ABSENT:
            return reach, Truth.NO
        sets = self._ruleset.sets.get(key[:2], {})
        data = value["data"]
        elements = data.get("set") if isinstance(data, dict) else sets.get(data.removeprefix("@"))
        if elements is None:  # a map that was not listed
            self._steps.append(Step(MAYBE, Truth.MAYBE, key, self._ruleset.text(rule)))
            return Truth.MAYBE, Truth.NO
        onward, returning = reach, Truth.NO
        for element, verdict in elements:
            hit = min(truth, contains(field_value, element, sets, exact=False))
            if hit is Truth.NO:
                continue
            ((name, target),) = verdict.items()
            returned, back = self._verdict(name, target, rule, key, hit, depth)
            returning = max(returning, returned)
            onward = max(_unless(hit, onward), back)
            if hit is Truth.YES:
                break
        return onward, returning


def _unless(truth: Truth, reach: Truth) -> Truth:
    """Return whether a packet that reaches a rule goes on behind it, when the rule's verdict has this truth."""
    return min(reach, Truth(2 - truth))
