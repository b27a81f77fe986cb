"""Finds, loads and validates plugins.

pluggy's own loader stops at the first broken entry point. This one loads them one by one: a broken
plugin is reported with its package and version, and the others still load.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from pluggy import PluginManager, PluginValidationError

from fwhelpers.api import Helper
from fwhelpers.api.failure import describe_failure
from fwhelpers.discovery import Row, with_rows
from fwhelpers.plugin import hookspecs
from fwhelpers.plugin.validation import validate

if TYPE_CHECKING:
    from importlib.metadata import Distribution

GROUP = "fwhelpers.plugins"
OWN = (
    "fwhelpers"  #: our distribution; its plugins load first, so that no other can take their names
)

#: environment variable with plugins to skip, separated by commas or spaces; "*" skips all but our own
BLOCK_VARIABLE = "FWHELPERS_BLOCK_PLUGINS"

_HOOK = hookspecs.fwhelpers_helpers.__name__
_VERSION = "__fwhelpers_plugin_version__"  #: set on a plugin's top-level module: its distribution's version


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed plugin and its state."""

    name: str
    distribution: str
    version: str
    module: str  #: of its entry point: "module" or "module:attribute"
    state: str = "loaded"  #: "loaded", "blocked" or "broken"
    helpers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"plugin {self.name} ({self.distribution} {self.version})"

    @property
    def key(self) -> tuple[str, str]:
        """Identifies the plugin independently of its state."""
        return self.distribution, self.name


@dataclass(frozen=True, slots=True)
class Problem:
    """An error of a plugin. `plugin` is None if a name in a block list matches no plugin."""

    plugin: Plugin | None
    message: str

    def __str__(self) -> str:
        return f"{self.plugin}: {self.message}" if self.plugin else self.message


@dataclass(frozen=True, slots=True)
class Plugins:
    """All installed plugins. `helpers` holds the valid helpers by name."""

    helpers: Mapping[str, Helper] = field(default_factory=dict)
    plugins: tuple[Plugin, ...] = ()
    problems: tuple[Problem, ...] = ()

    def with_discovery(self, rows: Iterable[Row]) -> Plugins:
        """Add the discovery protocols of the configuration; a plugin's helper keeps its name."""
        declared = tuple(rows)
        return replace(self, helpers=with_rows(self.helpers, declared)) if declared else self

    def missing_reasons(self) -> dict[str, str]:
        """Return why a helper of this name is missing, for error messages of the configuration."""
        blocked = {p.name: f"{p} is blocked" for p in self.plugins if p.state == "blocked"}
        broken = {p.plugin.name: str(p) for p in self.problems if p.plugin}
        reasons = {**broken, **blocked}
        return {name: text for name, text in reasons.items() if name not in self.helpers}

    def problems_of(self, plugin: Plugin) -> list[str]:
        return [p.message for p in self.problems if p.plugin and p.plugin.key == plugin.key]

    def identity(self) -> tuple[str, ...]:
        """Return the loaded plugins with their versions. If it changes, workers must be restarted."""
        return tuple(
            f"{p.distribution} {p.version} {p.name}" for p in self.plugins if p.state == "loaded"
        )

    def describe(self) -> list[dict[str, Any]]:
        """Return the plugins as plain data."""
        return [
            {
                "name": p.name, "distribution": p.distribution, "version": p.version,
                "module": p.module, "state": p.state, "helpers": list(p.helpers),
                "problems": self.problems_of(p),
            }
            for p in self.plugins
        ]  # fmt: skip


def load(
    group: str = GROUP,
    blocked: Iterable[str] = (),
    environ: Mapping[str, str] = os.environ,
    installed: Iterable[Plugin] = (),
) -> Plugins:
    """Load every installed plugin that is not blocked.

    `installed`: the plugins that another process has found; by default they are searched for.
    """
    loader = _Loader([*blocked, *environ.get(BLOCK_VARIABLE, "").replace(",", " ").split()])
    plugins = [replace(p, state="loaded", helpers=()) for p in installed] or _find(group)
    for plugin in sorted(plugins, key=_load_order):
        loader.load(plugin)
    return loader.result()


def _find(group: str) -> list[Plugin]:
    from importlib.metadata import entry_points  # with email and others, which workers do without

    metadata = cache(_name_and_version)  # reading a distribution's metadata is slow
    entries = entry_points(group=group)
    return [Plugin(entry.name, *metadata(entry.dist), entry.value) for entry in entries]


def _name_and_version(distribution: Distribution | None) -> tuple[str, str]:
    # in tests and unusual installations an entry point has no distribution
    if distribution is None:
        return "?", "?"
    metadata = distribution.metadata
    return metadata["Name"], metadata["Version"]


class _Loader:
    def __init__(self, blocked: Iterable[str]) -> None:
        self._blocked = list(blocked)
        self._unused_blocks = set(self._blocked) - {"*"}
        self._helpers: dict[str, tuple[Helper, Plugin]] = {}
        self._plugins: list[Plugin] = []
        self._problems: list[Problem] = []

    def load(self, plugin: Plugin) -> None:
        if self._is_blocked(plugin):
            self._plugins.append(replace(plugin, state="blocked"))
            return
        try:
            items = _declared_helpers(plugin)
        except _BrokenPlugin as error:
            self._plugins.append(replace(plugin, state="broken"))
            self._problems.append(Problem(plugin, str(error)))
            return
        names = tuple(name for item in items for name in self._add_helper(item, plugin))
        self._plugins.append(replace(plugin, helpers=names))

    def result(self) -> Plugins:
        for name in sorted(self._unused_blocks):
            message = f"block list: no plugin {name!r} is installed{self._similar(name)}"
            self._problems.append(Problem(None, message))
        helpers = {name: helper for name, (helper, _) in self._helpers.items()}
        return Plugins(helpers, tuple(self._plugins), tuple(self._problems))

    def _similar(self, name: str) -> str:
        from difflib import get_close_matches  # imported for bad input only

        nearest = get_close_matches(name, [p.name for p in self._plugins], 1)
        return f" (did you mean {nearest[0]}?)" if nearest else ""

    def _is_blocked(self, plugin: Plugin) -> bool:
        names = {plugin.name, plugin.distribution, f"{plugin.distribution}:{plugin.name}"}
        self._unused_blocks -= names
        third_party_blocked = plugin.distribution != OWN and "*" in self._blocked
        return third_party_blocked or not names.isdisjoint(self._blocked)

    def _add_helper(self, item: object, plugin: Plugin) -> Iterator[str]:
        """Validate an item; yield its name if it was added."""
        faults = list(validate(item)) or list(self._name_conflicts(item))
        self._problems += [Problem(plugin, fault) for fault in faults]
        if not faults and isinstance(item, Helper):
            self._helpers[item.name] = (item, plugin)
            yield item.name

    def _name_conflicts(self, item: object) -> Iterator[str]:
        for name, (helper, plugin) in self._helpers.items():
            if isinstance(item, Helper) and name == item.name:
                yield f"helper {name}: {plugin} already has a helper of this name"
            elif isinstance(item, Helper) and helper.kernel_name == item.kernel_name:
                yield f"helper {item.name}: {plugin} already registers {helper.kernel_name}"


class _BrokenPlugin(Exception):
    """A plugin that cannot be used, with the reason."""


def _declared_helpers(plugin: Plugin) -> list[object]:
    # foreign code may raise anything, even SystemExit
    try:
        module = _import(plugin)
    except (Exception, SystemExit) as error:
        raise _BrokenPlugin(f"cannot be imported: {describe_failure(error)}") from error
    api = getattr(module, "FWHELPERS_API", hookspecs.API_VERSION)
    if type(api) is not int:
        raise _BrokenPlugin(f"FWHELPERS_API must be an integer, not {api!r}")
    if api != hookspecs.API_VERSION:
        remedy = "update the plugin" if api < hookspecs.API_VERSION else "update fwhelpers"
        message = f"requires plugin API {api!r}, this is {hookspecs.API_VERSION} ({remedy})"
        raise _BrokenPlugin(message)
    try:
        return _call_hook(plugin.name, module)
    except PluginValidationError as error:
        # pluggy's message has several lines, of which the last ones state the reason
        reason = " ".join(str(error).split())
        raise _BrokenPlugin(
            f"invalid hook: {reason} (the only hook is fwhelpers_helpers())"
        ) from error
    except _BrokenPlugin:
        raise
    except (Exception, SystemExit) as error:
        raise _BrokenPlugin(f"its hook failed: {describe_failure(error)}") from error


def _import(plugin: Plugin) -> object:
    """Import a plugin's module, again if another version is loaded (a reload after an upgrade)."""
    # "module:attribute [extras]" (packaging.python.org, Entry points specification)
    name, _, attributes = plugin.module.partition("[")[0].replace(" ", "").partition(":")
    top = name.partition(".")[0]
    loaded = sys.modules.get(top)
    if loaded is not None and getattr(loaded, _VERSION, plugin.version) != plugin.version:
        for module in [n for n in sys.modules if n == top or n.startswith(f"{top}.")]:
            del sys.modules[module]
        importlib.invalidate_caches()
    target: object = importlib.import_module(name)
    for attribute in filter(None, attributes.split(".")):
        target = getattr(target, attribute)
    setattr(sys.modules[top], _VERSION, plugin.version)
    return target


def _call_hook(name: str, module: object) -> list[object]:
    manager = PluginManager("fwhelpers")  # one for each plugin: a broken one cannot affect others
    manager.add_hookspecs(hookspecs)
    manager.register(module, name)
    manager.check_pending()
    if not manager.get_hookcallers(module):
        raise _BrokenPlugin("implements no hook (mark fwhelpers_helpers with @hookimpl)")
    helpers: list[object] = []
    results = manager.hook.fwhelpers_helpers()
    if not results:  # pluggy drops None
        raise _BrokenPlugin(f"{_HOOK} must return a list of helpers, not None")
    for result in results:
        if isinstance(result, (Helper, str, Mapping)) or not isinstance(result, Iterable):
            raise _BrokenPlugin(f"{_HOOK} must return a list of helpers, not {_kind(result)}")
        helpers += result
    return helpers


def _kind(result: object) -> str:
    return "one helper" if isinstance(result, Helper) else repr(type(result).__name__)


def _load_order(plugin: Plugin) -> tuple[bool, str, str]:
    return plugin.distribution != OWN, plugin.distribution, plugin.name
