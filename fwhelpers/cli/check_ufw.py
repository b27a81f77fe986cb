"""The part of `fwhelpers check` that reads ufw's files: which related connections it accepts, who assigns helpers.

ufw's rules are iptables rules, whose conntrack and helper matches nft does not show, so the files are read.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fwhelpers.api import Helper
from fwhelpers.cli.common import Setup
from fwhelpers.firewalld.diagnostics import Diagnostic
from fwhelpers.firewalld.rulesets import ForeignAssignment

ROOT = Path("/")
RAW = -300  #: the priority of iptables' table raw
_PAGE = "see docs/ufw.md"
_SETTING = re.compile(r"^\s*(\w+)=(.*)$", re.MULTILINE)
_MODULE = re.compile(r"nf_conntrack_(\w+)")
_CT_TARGET = {"xt": {"type": "target", "name": "CT"}}


@dataclass(frozen=True, slots=True)
class RulesFile:
    """before.rules or before6.rules."""

    path: str
    rules: tuple[tuple[str, ...], ...]  #: the words of each rule, from the chain on
    prefix: str  #: of its chains: "ufw-" or "ufw6-"

    def related(self, hook: str) -> list[str]:
        """Return the helper, or "" for all, of each rule that accepts related connections in a hook."""
        chain = f"{self.prefix}before-{hook}"
        accepting = (rule for rule in self.rules if rule[0] == chain and _accepts_related(rule))
        return [_option(rule, "--helper") for rule in accepting]

    def assigned(self) -> list[str]:
        """Return the helpers that targets CT of the table raw assign."""
        targets = (rule for rule in self.rules if _option(rule, "-j", "--jump") == "CT")
        return [helper for rule in targets if (helper := _option(rule, "--helper"))]


def read_files(root: Path | None = None) -> list[RulesFile]:
    """Read ufw's rules; none if ufw is not enabled. Raises PermissionError, as only root may read them."""
    root = root or ROOT
    settings = read_settings(root)
    if settings.get("ENABLED", "").lower() != "yes":
        return []
    families = ["", "6"] if settings.get("IPV6", "").lower() == "yes" else [""]
    paths = [(root / f"etc/ufw/before{family}.rules", f"ufw{family}-") for family in families]
    return [
        RulesFile(f"/{path.relative_to(root)}", tuple(_rules(path.read_text("utf-8", "replace"))), prefix)
        for path, prefix in paths
        if path.exists()
    ]  # fmt: skip


def read_settings(root: Path) -> dict[str, str]:
    """Return the variables of ufw's two files of shell assignments."""
    settings = {}
    for name in ("etc/default/ufw", "etc/ufw/ufw.conf"):
        with suppress(OSError):  # not installed
            for key, value in _SETTING.findall((root / name).read_text("utf-8", "replace")):
                settings[key] = " ".join(_words(value))
    return settings


def assignments(files: Iterable[RulesFile]) -> Iterator[ForeignAssignment]:
    """Yield the helpers that ufw's files assign, before our table does."""
    for file in files:
        for name in file.assigned():
            yield ForeignAssignment(name, f"{file.path} (CT)", RAW)


def rules(
    setup: Setup, by_port: bool, objects: Iterable[Mapping[str, Any]] = (), root: Path | None = None
) -> Iterator[Diagnostic | str]:
    """Yield what ufw accepts and mistakes; nothing if it is not enabled.

    `by_port`: the kernel assigns its own helpers by port; `objects`: of `nft -j list ruleset`.
    """
    try:
        files = read_files(root)
    except PermissionError as error:
        yield f"enabled, but {error.filename} is not readable; run as root"
        return
    if not files:
        return
    ours = [h for n, h in setup.enabled.items() if setup.config.helpers[n].backend != "kernel"]
    yield from _related(files, ours)
    yield from _assigned(files, ours, objects)
    modules = read_settings(root or ROOT).get("IPT_MODULES", "")
    names = {kernel.name.replace("-", "_") for helper in ours for kernel in helper.kernel}
    rivals = sorted(names & set(_MODULE.findall(modules)))
    if rivals and not by_port:  # the other case is a mistake of its own
        helpers = ", ".join(rivals)
        yield f"IPT_MODULES loads helpers of the kernel ({helpers}), which alone act nowhere: ours act"


def _related(files: list[RulesFile], ours: list[Helper]) -> Iterator[Diagnostic | str]:
    accepted: set[str] = set()
    for file in files:
        for hook in ("input", "forward"):
            names = file.related(hook)
            accepted.update(names)
            chain = f"{file.prefix}before-{hook}"
            if "" in names:
                yield f"{chain} accepts the related connections of all helpers; docs/ufw.md limits them"
            else:
                listed = ", ".join(dict.fromkeys(names)) or "no helper"
                yield f"{chain} accepts related connections of {listed}"
    if "" in accepted:
        return
    for helper in ours:
        if not any(_matches(name, helper.kernel_name) for name in accepted):
            yield Diagnostic(helper.name, _unaccepted(helper, accepted), _hint(helper, files))


def _unaccepted(helper: Helper, accepted: Iterable[str]) -> str:
    if any(_matches(name, helper.name) for name in accepted):
        return (
            f"ufw accepts connections of the kernel's {helper.name}; ours is {helper.kernel_name}"
        )
    return "ufw accepts none of its related connections"


def _hint(helper: Helper, files: list[RulesFile]) -> str:
    match = f"-m conntrack --ctstate RELATED -m helper --helper {helper.kernel_name} -j ACCEPT"
    return f"in {files[0].path}: -A {files[0].prefix}before-forward {match} (or -input); {_PAGE}"


def _matches(argument: str, name: str) -> bool:
    """Return whether `--helper ARGUMENT` matches a helper: the kernel compares as many bytes as its name has."""
    return argument.startswith(name)  # xt_helper.c: helper_mt()


def _assigned(
    files: list[RulesFile], ours: list[Helper], objects: Iterable[Mapping[str, Any]]
) -> Iterator[Diagnostic | str]:
    kernels = {kernel.name for helper in ours for kernel in helper.kernel}
    named = list(assignments(files))
    for rival in named:
        if rival.kind in kernels:
            problem = f"assigns the kernel's {rival.kind} before ours: the first assignment wins"
            hint = f"remove the rule, and its copies (iptables -t raw -S), which ufw reload leaves; {_PAGE}"
            yield Diagnostic(rival.chain, problem, hint)
    in_kernel = any(
        rule.get("rule", {}).get("table") == "raw" and _CT_TARGET in rule["rule"].get("expr", ())
        for rule in objects
    )
    if in_kernel and not named:
        yield "the table raw has rules with CT, which may assign the kernel's helpers: iptables -t raw -S"


def _rules(text: str) -> Iterator[tuple[str, ...]]:
    for line in text.splitlines():
        words = _words(line)
        if len(words) > 2 and words[0] in ("-A", "-I", "--append", "--insert"):
            yield tuple(words[1:])


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:  # a line that ufw itself cannot load
        return []


def _accepts_related(rule: tuple[str, ...]) -> bool:
    if _option(rule, "-p", "--protocol").startswith(("icmp", "ipv6-icmp")):
        return False  # errors only
    states = _option(rule, "--ctstate", "--state").split(",")
    return "RELATED" in states and _option(rule, "-j", "--jump") == "ACCEPT"


def _option(rule: tuple[str, ...], *options: str) -> str:
    """Return an option's argument; empty if there is none or `!` negates it."""
    for position, word in enumerate(rule[:-1]):
        if word in options and rule[position - 1] != "!":
            return rule[position + 1]
    return ""
