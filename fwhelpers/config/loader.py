"""The configuration: TOML files -> frozen dataclasses; every error with file, key and remedy.

    draft = load(directory)            what the files say; plugins are not known yet
    config = resolve(draft, helpers)   raises ConfigError with all that is wrong

Files are `fwhelpers.toml`, then `conf.d/*.toml` by name, merged key by key; the later file wins.
`fwhelpers.config.schema` lists all that may stand in them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from itertools import combinations
from pathlib import Path
from typing import Any

from fwhelpers.api import Helper, Setting
from fwhelpers.config.assignments import ZoneAssignments
from fwhelpers.config.discovery import make_row, missing_keys
from fwhelpers.config.files import ConfigError as ConfigError
from fwhelpers.config.files import KeyPath, merge, read_files
from fwhelpers.config.files import Problem as Problem
from fwhelpers.config.schema import (
    DAEMON,
    DISCOVERY,
    FIREWALLD,
    GUARD,
    HELPER,
    LAST_QUEUE,
    MAX_WORKERS,
    Key,
    setting_key,
)
from fwhelpers.config.validators import InvalidValue, Network, guess, type_name
from fwhelpers.discovery import Row, taken, with_rows

DIRECTORY = Path("/etc/fwhelpers")
_TABLES = ("daemon", "helpers", "discovery", "firewalld")


@dataclass(frozen=True, slots=True)
class DaemonConfig:
    """The table [daemon]."""

    workers: int = 0
    queues: int = 1000
    steering: str = "rules"
    fail: str = "open"
    blocked_plugins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FirewalldConfig:
    """The table [firewalld]."""

    follow: bool = True
    ignore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HelperConfig:
    """A table [helpers.NAME], defaults filled in. Empty limits mean: no limit."""

    name: str
    ports: tuple[int, ...]
    families: tuple[int, ...] = (4, 6)
    interfaces: tuple[str, ...] = ()
    sources: tuple[Network, ...] = ()
    destinations: tuple[Network, ...] = ()
    fail: str = "open"
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: the fields of `engine.guard.Limits` that are given
    guard: Mapping[str, Any] = field(default_factory=dict)
    #: whether it acts where the limits above say; if not, only where `Config.scope` says
    general: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration; `helpers` are the enabled ones, in the files' order."""

    daemon: DaemonConfig = DaemonConfig()
    helpers: Mapping[str, HelperConfig] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()  #: discovery protocols that the configuration itself declares
    firewalld: FirewalldConfig = FirewalldConfig()
    disabled: frozenset[str] = frozenset()  #: helpers that the files switch off, whatever zones say
    scope: ZoneAssignments = field(default_factory=ZoneAssignments)  #: what firewalld's zones add
    #: what zones have enabled so far, at all ports that they gave: flows that have such a helper keep it to their end
    lasting: Mapping[str, HelperConfig] = field(default_factory=dict)

    @property
    def inspected(self) -> dict[str, HelperConfig]:
        """The helpers whose flows are inspected: those that are enabled, then those that were."""
        found = {**self.helpers, **{n: m for n, m in self.lasting.items() if n not in self.helpers}}
        return {name: self._with_ports(made) for name, made in found.items()}

    def _with_ports(self, made: HelperConfig) -> HelperConfig:
        """Flows are found by the port to which they were made, and zones may name others than the files."""
        more = self.lasting[made.name].ports if made.name in self.lasting else ()
        ports = {*made.ports, *more, *self.scope.ports(made.name)}
        return replace(made, ports=tuple(sorted(ports)))


@dataclass(frozen=True, slots=True)
class UnresolvedConfig:
    """What the files say. [daemon] and [discovery.NAME] are checked, the helpers wait for `resolve`."""

    daemon: DaemonConfig
    tables: Mapping[str, Any]
    origins: Mapping[KeyPath, str]
    problems: tuple[Problem, ...]
    rows: tuple[Row, ...] = ()
    firewalld: FirewalldConfig = FirewalldConfig()


def load(path: Path = DIRECTORY) -> UnresolvedConfig:
    """Read a configuration directory (or one file). `resolve` tells what is wrong with it."""
    return parse(read_files(path))


def parse(read_files: Iterable[tuple[str, str | Problem]]) -> UnresolvedConfig:
    """Merge files given as name and text (or as the problem that kept them from being read)."""
    tables: dict[str, Any] = {}
    reader = _Validator({})
    for name, text in read_files:
        if isinstance(text, Problem):
            reader.problems.append(text)
            continue
        try:
            merge(tables, tomllib.loads(text), name, reader.origins)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            what = str(error) if isinstance(error, ValueError) else "is nested too deeply"
            reader.problems.append(Problem(name, "", what, "see https://toml.io for the syntax"))
    daemon = reader.daemon(tables)
    rows = tuple(reader.rows(tables))
    given = reader.table(("firewalld",), tables.get("firewalld", {}), FIREWALLD)
    firewalld = FirewalldConfig(**given)
    return UnresolvedConfig(daemon, tables, reader.origins, tuple(reader.problems), rows, firewalld)


def resolve(
    draft: UnresolvedConfig, helpers: Mapping[str, Helper], absent: Mapping[str, str] | None = None
) -> Config:
    """Check the helpers' tables against what is installed.

    `absent` says of a missing helper why its plugin gives none.
    Raises ConfigError with everything that is wrong, the draft's own problems included.
    """
    reader = _Validator(draft.origins, draft.problems)
    for one in draft.rows:
        if taken(one, helpers):
            what = "the name belongs to an installed helper"
            reader.wrong(("discovery", one.name), what, "choose another")
    helpers = with_rows(helpers, draft.rows)
    enabled = dict(reader.helpers(draft, helpers, absent or {}))
    reader.clashes(enabled, helpers)
    if reader.problems:
        raise ConfigError(dict.fromkeys(reader.problems))
    return Config(draft.daemon, enabled, draft.rows, draft.firewalld, _disabled(draft))


def _disabled(draft: UnresolvedConfig) -> frozenset[str]:
    tables = draft.tables.get("helpers", {}).items()
    return frozenset(n for n, t in tables if isinstance(t, dict) and t.get("enabled") is False)


def default(helper: Helper) -> HelperConfig:
    """The configuration of a helper that has an empty table. Raises ConfigError."""
    if not helper.ports:
        return HelperConfig(helper.name, ())
    draft = parse([("defaults", f'[helpers."{helper.name}"]')])
    return resolve(draft, {helper.name: helper}).helpers[helper.name]


class _Validator:
    """Checks tables and collects what is wrong."""

    def __init__(self, origins: Mapping[KeyPath, str], problems: Iterable[Problem] = ()) -> None:
        self.origins = dict(origins)
        self.problems = list(problems)

    def wrong(self, path: KeyPath, what: str, hint: str = "") -> None:
        key = ".".join(part if part.isprintable() else ascii(part) for part in path)
        self.problems.append(Problem(self.origin(path), key, what, hint))

    def origin(self, path: KeyPath) -> str:
        """The file that says it, or, of a key that is missing, that has the table around it."""
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path, "configuration")

    def daemon(self, tables: Mapping[str, Any]) -> DaemonConfig:
        for name in tables.keys() - set(_TABLES):
            self.wrong((name,), "unknown table", guess(name, _TABLES, "tables"))
        given = self.table(("daemon",), tables.get("daemon", {}), DAEMON)
        blocked = given.pop("block_plugins", ())
        daemon = DaemonConfig(blocked_plugins=blocked, **given)
        last = daemon.queues + (daemon.workers or MAX_WORKERS) - 1
        if last > LAST_QUEUE:
            self.wrong(
                ("daemon", "queues"),
                f"{daemon.workers or MAX_WORKERS} workers would need queues up to {last}",
                f"the last is {LAST_QUEUE}: begin lower, or set `workers`",
            )
        return daemon

    def rows(self, tables: Mapping[str, Any]) -> Iterator[Row]:
        """The discovery protocols that are declared rightly."""
        for name, table in self.is_table(("discovery",), tables.get("discovery", {})).items():
            path = ("discovery", name)
            before = len(self.problems)
            given = self.table(path, table, DISCOVERY)
            if len(self.problems) > before:
                continue
            for key, error in missing_keys(given):
                self.wrong((*path, key), error.what, error.hint)
            if len(self.problems) == before:
                try:
                    yield make_row(name, given)
                except InvalidValue as error:
                    self.wrong(path, error.what, error.hint)

    def helpers(
        self, draft: UnresolvedConfig, helpers: Mapping[str, Helper], absent: Mapping[str, str]
    ) -> Iterator[tuple[str, HelperConfig]]:
        declared: dict[str, Any] = {
            one.name: {} for one in draft.rows
        }  # what is declared is wanted
        tables = declared | {**self.is_table(("helpers",), draft.tables.get("helpers", {}))}
        for name, table in tables.items():
            path = ("helpers", name)
            if name not in helpers and table == {"enabled": False}:
                continue  # switched off, then uninstalled
            if name not in helpers:
                known = sorted(helpers)
                hint = absent.get(name) or guess(name, known, "installed helpers")
                self.wrong(path, "there is no such helper", hint)
            elif isinstance(table, dict):
                made = self.helper(path, table, helpers[name], draft.daemon)
                if table.get("enabled", True):
                    yield name, made
            else:
                self.is_table(path, table)

    def helper(
        self, path: KeyPath, table: Mapping[str, Any], helper: Helper, daemon: DaemonConfig
    ) -> HelperConfig:
        given = self.table(path, table, (*HELPER, *map(setting_key, helper.settings)), {"guard"})
        settings = {
            s.name: given.pop(s.name) if s.name in given else self.default(path, s)
            for s in helper.settings
        }
        guard = self.table((*path, "guard"), table.get("guard", {}), GUARD)
        enabled = given.pop("enabled", True)
        given.setdefault("ports", tuple(helper.ports))
        given.setdefault("families", tuple(helper.families))
        given.setdefault("fail", daemon.fail)
        made = HelperConfig(helper.name, settings=settings, guard=guard, **given)
        if enabled:
            self.possible(path, made, helper)
        return made

    def default(self, path: KeyPath, setting: Setting) -> Any:
        """The default passes the same check as what people write."""
        try:
            return setting_key(setting).check(setting.default)
        except InvalidValue as error:
            self.wrong((*path, setting.name), f"the helper's own default: {error.what}")
            return None

    def possible(self, path: KeyPath, made: HelperConfig, helper: Helper) -> None:
        """Limits that leave nothing over are mistakes."""
        if not made.ports:
            self.wrong(path, "has no default ports", "say ports = [...]")
        for family in made.families:
            if family not in helper.families:
                self.wrong((*path, "families"), f"{helper.name} does not know IPv{family}")
        before = len(self.problems)
        for key, networks in (("sources", made.sources), ("destinations", made.destinations)):
            for network in networks:
                if network.version not in made.families:
                    self.wrong((*path, key), f"{network} is excluded by `families`")
        if not places(made) and len(self.problems) == before:
            self.wrong(path, "sources and destinations have no address family in common")

    def clashes(self, enabled: Mapping[str, HelperConfig], helpers: Mapping[str, Helper]) -> None:
        """A connection can have one helper only; the kernel would silently take the first."""
        for a, b in combinations(enabled.values(), 2):
            same = set(a.ports) & set(b.ports)
            ours, theirs = helpers[a.name], helpers[b.name]
            l4 = set(ours.l4s) & set(theirs.l4s)
            if same and l4 and not _apart(a, b) and not _elsewhere(ours, theirs):
                what = f"{'/'.join(sorted(l4))} port {min(same)} belongs to {a.name} as well"
                hint = "give them different ports, interfaces, sources or destinations"
                declared = ("discovery", b.name) in self.origins
                self.wrong(("discovery" if declared else "helpers", b.name), what, hint)

    def table(
        self, path: KeyPath, table: object, keys: Iterable[Key], besides: Iterable[str] = ()
    ) -> dict[str, Any]:
        known = {key.name: key for key in keys}
        checked = {}
        for name, value in self.is_table(path, table).items():
            if name in known:
                try:
                    checked[name] = known[name].check(value)
                except InvalidValue as error:
                    self.wrong((*path, name), error.what, error.hint)
            elif name not in besides:
                offer = sorted({*known, *besides})
                self.wrong((*path, name), "unknown key", guess(name, offer, "known keys"))
        return checked

    def is_table(self, path: KeyPath, value: object) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return value
        self.wrong(path, f"must be a table, not {type_name(value)}", f"write [{'.'.join(path)}]")
        return {}


def places(
    made: HelperConfig,
) -> list[tuple[int, tuple[Network, ...], tuple[Network, ...]]]:
    """Family, sources, destinations for each family in which the limits leave something."""
    found = []
    for family in made.families:
        sources = tuple(n for n in made.sources if n.version == family)
        destinations = tuple(n for n in made.destinations if n.version == family)
        if bool(sources) == bool(made.sources) and bool(destinations) == bool(made.destinations):
            found.append((family, sources, destinations))
    return found


def _elsewhere(a: Helper, b: Helper) -> bool:
    """Do their requests go to different groups?"""
    if not (a.outgoing and b.outgoing) or (a.broadcast and b.broadcast):
        return False
    ours, theirs = (tuple(map(ip_network, h.groups)) for h in (a, b))
    return not any(x.version == y.version and x.overlaps(y) for x in ours for y in theirs)


def _apart(a: HelperConfig, b: HelperConfig) -> bool:
    named = {*a.interfaces, *b.interfaces}
    # what a reference to NetworkManager's connections will mean, nobody knows yet
    unknown = any(":" in name for name in named)
    both = a.interfaces and b.interfaces and not unknown
    if both and not set(a.interfaces) & set(b.interfaces):
        return True
    return not any(
        fa == fb and _meet(sa, sb) and _meet(da, db)
        for fa, sa, da in places(a)
        for fb, sb, db in places(b)
    )


def _meet(a: tuple[Network, ...], b: tuple[Network, ...]) -> bool:
    return not a or not b or any(x.overlaps(y) for x in a for y in b)
