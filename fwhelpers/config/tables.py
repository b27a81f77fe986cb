"""Checks the merged TOML tables and collects all problems, each with its file and key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fwhelpers.api import Helper, Setting
from fwhelpers.config import backend
from fwhelpers.config.conflicts import conflicts
from fwhelpers.config.discovery import make_row, missing_keys
from fwhelpers.config.files import KeyPath, Problem
from fwhelpers.config.model import (
    DaemonConfig,
    HelperConfig,
    ReplicationConfig,
    UnresolvedConfig,
    limits_by_family,
)
from fwhelpers.config.schema import (
    DAEMON,
    DISCOVERY,
    GUARD,
    HELPER,
    LAST_QUEUE,
    MAX_WORKERS,
    REPLICATION,
    Key,
    setting_key,
)
from fwhelpers.config.validators import InvalidValue, suggest, type_name
from fwhelpers.discovery import Row

TABLE_NAMES = ("daemon", "helpers", "discovery", "firewalld", "replication")


class TableValidator:
    """Turns tables into dataclasses. Problems are added to `problems`; nothing is raised."""

    def __init__(self, origins: Mapping[KeyPath, str], problems: Iterable[Problem] = ()) -> None:
        self.origins = dict(origins)
        self.problems = list(problems)

    def report(self, path: KeyPath, message: str, hint: str = "") -> None:
        key = ".".join(part if part.isprintable() else ascii(part) for part in path)
        self.problems.append(Problem(self._origin(path), key, message, hint))

    def _origin(self, path: KeyPath) -> str:
        # a missing key belongs to the file with the table around it
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path, "configuration")

    def daemon(self, tables: Mapping[str, Any]) -> DaemonConfig:
        for name in tables.keys() - set(TABLE_NAMES):
            self.report((name,), "unknown table", suggest(name, TABLE_NAMES, "tables"))
        options = self.table(("daemon",), tables.get("daemon", {}), DAEMON)
        blocked = options.pop("block_plugins", ())
        daemon = DaemonConfig(blocked_plugins=blocked, **options)
        workers = daemon.workers or MAX_WORKERS
        last = daemon.queues + workers - 1
        if last > LAST_QUEUE:
            self.report(
                ("daemon", "queues"),
                f"{workers} workers would need queues up to {last}",
                f"the last queue is {LAST_QUEUE}; use a lower first queue, or set `workers`",
            )
        return daemon

    def replication(self, tables: Mapping[str, Any]) -> ReplicationConfig | None:
        """Return the table [replication], None if there is none or if it has a problem."""
        if "replication" not in tables:
            return None
        before = len(self.problems)
        defaults = {key.name: key.check(key.default) for key in REPLICATION if key.default}
        options = defaults | self.table(("replication",), tables["replication"], REPLICATION)
        for name in ("listen", "peer"):
            if name not in options and len(self.problems) == before:
                example = 'for example "10.0.9.1:3781"'
                self.report(("replication", name), "required", example)
        if len(self.problems) > before:
            return None
        config = ReplicationConfig(**options)
        if config.listen.family != config.peer.family:
            self.report(("replication", "peer"), "is of another address family than `listen`")
        elif config.listen.host == config.peer.host:
            message = "is this gateway's own address, as in `listen`"
            self.report(("replication", "peer"), message, "write the other gateway's")
        return None if len(self.problems) > before else config

    def rows(self, tables: Mapping[str, Any]) -> Iterator[Row]:
        """Yield the valid discovery protocols."""
        for name, table in self.expect_table(("discovery",), tables.get("discovery", {})).items():
            path = ("discovery", name)
            before = len(self.problems)
            options = self.table(path, table, DISCOVERY)
            if len(self.problems) > before:
                continue
            for key, error in missing_keys(options):
                self.report((*path, key), error.message, error.hint)
            if len(self.problems) == before:
                try:
                    yield make_row(name, options)
                except InvalidValue as error:
                    self.report(path, error.message, error.hint)

    def helpers(
        self,
        draft: UnresolvedConfig,
        helpers: Mapping[str, Helper],
        missing_reasons: Mapping[str, str],
    ) -> Iterator[tuple[str, HelperConfig]]:
        """Yield the enabled helpers; a declared discovery protocol is enabled by its declaration."""
        declared: dict[str, Any] = {row.name: {} for row in draft.rows}
        tables = self.expect_table(("helpers",), draft.tables.get("helpers", {}))
        for name, table in {**declared, **tables}.items():
            path = ("helpers", name)
            if name not in helpers and table == {"enabled": False}:
                continue  # disabled, then uninstalled
            if name not in helpers:
                hint = missing_reasons.get(name) or suggest(name, sorted(helpers), "helpers")
                self.report(path, "no such helper", hint)
            elif isinstance(table, dict):
                helper = self._helper(path, table, helpers[name], draft.daemon)
                if table.get("enabled", True):
                    yield name, helper
            else:
                self.expect_table(path, table)

    def _helper(
        self, path: KeyPath, table: Mapping[str, Any], helper: Helper, daemon: DaemonConfig
    ) -> HelperConfig:
        keys = (*HELPER, *map(setting_key, helper.settings))
        options = self.table(path, table, keys, {"guard"})
        settings = {
            s.name: options.pop(s.name) if s.name in options else self._default(path, s)
            for s in helper.settings
        }
        guard = self.table((*path, "guard"), table.get("guard", {}), GUARD)
        enabled = options.pop("enabled", True)
        options.setdefault("ports", tuple(helper.ports))
        options.setdefault("backend", "user" if helper.parser else "kernel")
        self._check_backend(path, table, options["backend"], helper)
        options.setdefault("families", backend.families(options["backend"], helper))
        options.setdefault("fail", daemon.fail)
        config = HelperConfig(helper.name, settings=settings, guard=guard, **options)
        if enabled:
            self._check_limits(path, config, helper)
        return config

    def _default(self, path: KeyPath, setting: Setting) -> Any:
        try:
            return setting_key(setting).check(setting.default)
        except InvalidValue as error:
            self.report((*path, setting.name), f"the helper's own default: {error.message}")
            return None

    def _check_backend(
        self, path: KeyPath, table: Mapping[str, Any], name: str, helper: Helper
    ) -> None:
        for keys, message, hint in backend.faults(table, name, helper):
            self.report((*path, *keys), message, hint)

    def _check_limits(self, path: KeyPath, config: HelperConfig, helper: Helper) -> None:
        """Report limits that no connection can meet."""
        if not config.ports:
            self.report(path, "this helper has no default ports", "set ports = [...]")
        for family in config.families:
            if family not in backend.families(config.backend, helper):
                name = f"the kernel's {helper.name}" if config.backend == "kernel" else helper.name
                self.report((*path, "families"), f"{name} does not support IPv{family}")
        before = len(self.problems)
        for key, networks in (("sources", config.sources), ("destinations", config.destinations)):
            for network in networks:
                if network.version not in config.families:
                    self.report((*path, key), f"{network} is excluded by `families`")
        third_party = any(policy.third_party for policy in helper.policies)
        anywhere = config.guard.get("address", "peer") != "peer" and not config.destinations
        if third_party and anywhere:
            self.report(
                (*path, "guard", "address"),
                "lets every server open ports for hosts that it names",
                "set destinations = [...], the servers that may",
            )
        if not limits_by_family(config) and len(self.problems) == before:
            self.report(path, "sources and destinations have no address family in common")

    def check_conflicts(
        self, enabled: Mapping[str, HelperConfig], helpers: Mapping[str, Helper]
    ) -> None:
        for name, message in conflicts(enabled, helpers):
            hint = "set different ports, interfaces, sources or destinations"
            declared = ("discovery", name) in self.origins
            self.report(("discovery" if declared else "helpers", name), message, hint)

    def table(
        self, path: KeyPath, table: object, keys: Iterable[Key], subtables: Iterable[str] = ()
    ) -> dict[str, Any]:
        """Return the checked values of a table's keys, without its subtables."""
        by_name = {key.name: key for key in keys}
        checked = {}
        for name, value in self.expect_table(path, table).items():
            if name in by_name:
                try:
                    checked[name] = by_name[name].check(value)
                except InvalidValue as error:
                    self.report((*path, name), error.message, error.hint)
            elif name not in subtables:
                names = sorted({*by_name, *subtables})
                self.report((*path, name), "unknown key", suggest(name, names, "keys"))
        return checked

    def expect_table(self, path: KeyPath, value: object) -> Mapping[str, Any]:
        """Return the value if it is a table, else report it and return an empty one."""
        if isinstance(value, dict):
            return value
        self.report(path, f"must be a table, not {type_name(value)}", f"write [{'.'.join(path)}]")
        return {}
