"""The part of `fwhelpers check` that reads the targets CT of iptables, which nft does not show.

They act before conntrack: `--helper` decides before our rules, and what has `--notrack` gets no helper. Shorewall, ferm
and OpenWrt's fw3 write them.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fwhelpers.api import Helper
from fwhelpers.config import HelperConfig
from fwhelpers.firewalld.diagnostics import Diagnostic
from fwhelpers.firewalld.rulesets import ForeignAssignment, untracked

RAW = -300  #: the priority of iptables' table raw
TIMEOUT = 5.0  #: seconds
#: the tables of iptables-legacy, which nft does not list; reading one that is missing would create it
LEGACY = {"ip": Path("/proc/net/ip_tables_names"), "ip6": Path("/proc/net/ip6_tables_names")}
_PROGRAMS = {"ip": "iptables", "ip6": "ip6tables"}
_CT = {"xt": {"type": "target", "name": "CT"}}
_PORTS = ("--dport", "--dports", "--sport", "--sports", "--ports")
_RANGE = re.compile(r"(\d{1,5})(?::(\d{1,5}))?")

Enabled = Sequence[tuple[HelperConfig, Helper]]


@dataclass(frozen=True, slots=True)
class RawRule:
    """A rule with the target CT."""

    chain: str  #: family, table and chain
    words: tuple[str, ...]

    def option(self, *names: str) -> str:
        """Return the argument of an option; empty if there is none or `!` negates it."""
        for position, word in enumerate(self.words[:-1]):
            if word in names and self.words[position - 1] != "!":
                return self.words[position + 1]
        return ""

    def ports(self, candidates: Iterable[int]) -> list[int]:
        """Return those of the ports that the rule names."""
        text = next((text for name in _PORTS if (text := self.option(name))), "")
        pairs = [match.groups() for part in text.split(",") if (match := _RANGE.fullmatch(part))]
        ranges = [range(int(low), int(high or low) + 1) for low, high in pairs]
        return sorted(port for port in candidates if any(port in each for each in ranges))


def read(objects: Iterable[Mapping[str, Any]]) -> list[RawRule]:
    """Return the targets CT of both variants of iptables. `objects`: of `nft -j list ruleset`."""
    families = dict.fromkeys(
        rule["family"]
        for item in objects
        if (rule := item.get("rule", {})).get("table") == "raw" and _CT in rule.get("expr", ())
    )
    variants = [(family, "nft") for family in families]
    variants += [(family, "legacy") for family, path in LEGACY.items() if "raw" in _lines(path)]
    return [
        rule
        for family, variant in variants
        for rule in parse(family, _save(_PROGRAMS[family], variant))
    ]


def parse(family: str, text: str) -> Iterator[RawRule]:
    """Yield the targets CT in the output of `iptables-save -t raw`."""
    for line in text.splitlines():
        with suppress(ValueError):  # an odd comment
            words = shlex.split(line)
            if words[:1] == ["-A"] and "CT" in words:
                yield RawRule(f"{family} raw {words[1]}", tuple(words[2:]))


def assignments(rules: Iterable[RawRule]) -> Iterator[ForeignAssignment]:
    """Yield the helpers that the rules assign."""
    for rule in rules:
        if name := rule.option("--helper"):
            yield ForeignAssignment(name, rule.chain, RAW)


def diagnose(rules: Sequence[RawRule], enabled: Enabled) -> Iterator[Diagnostic]:
    """Yield the rules that keep our helpers from connections. `enabled`: the helpers that we inspect with."""
    for config, helper in enabled:
        kernels = {kernel.name for kernel in helper.kernel}
        for foreign in dict.fromkeys(assignments(rules)):
            if foreign.kind in kernels:
                yield Diagnostic(
                    foreign.chain,
                    f"assigns the kernel's {foreign.kind} by CT --helper, before ours",
                    'remove the rule: the first assignment wins; or set backend = "kernel"',
                )
        for rule in rules:
            ports = rule.ports(config.ports) if "--notrack" in rule.words else []
            if ports and rule.option("-p", "--protocol") in helper.l4s:
                yield Diagnostic(rule.chain, *untracked(helper.name, ports))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # no module of iptables-legacy
        return []


def _save(program: str, variant: str) -> str:
    """Return the table raw of a variant, empty if no such program can show it."""
    for name in (f"{program}-{variant}-save", f"{program}-save"):
        with suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                [name, "-t", "raw"], capture_output=True, text=True, timeout=TIMEOUT, check=True
            )
            return done.stdout
    return ""
