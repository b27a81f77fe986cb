"""Find the plugins, load them one by one, and judge what they offer.

Whatever is wrong with one is told with its package and version and never stops the others:
pluggy's own loader would stop at the first broken one.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any

from pluggy import PluginManager, PluginValidationError

from fwhelpers.api import Helper
from fwhelpers.discovery import Row, with_rows
from fwhelpers.plugin import hookspecs
from fwhelpers.plugin.validation import validate

GROUP = "fwhelpers.plugins"
OWN = "fwhelpers"  #: our own distribution: its plugins come first, so that nobody takes their names

#: names not to load, separated by commas or spaces; "*": all but our own
BLOCK_VARIABLE = "FWHELPERS_BLOCK_PLUGINS"

_VERSION = "__fwhelpers_plugin_version__"  #: on a plugin's top module: of what distribution's version it is


@dataclass(frozen=True, slots=True)
class Plugin:
    """An installed plugin and what became of it."""

    name: str
    distribution: str
    version: str
    module: str
    state: str = "loaded"  #: "loaded", "blocked" or "broken"
    helpers: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"plugin {self.name} ({self.distribution} {self.version})"

    def same(self, other: Plugin) -> bool:
        """Is it the same plugin, whatever became of it?"""
        return (self.distribution, self.name) == (other.distribution, other.name)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a plugin. `plugin` is None where a name in a block list fits nothing."""

    plugin: Plugin | None
    what: str

    def __str__(self) -> str:
        return f"{self.plugin}: {self.what}" if self.plugin else self.what


@dataclass(frozen=True, slots=True)
class Plugins:
    """All that was found; `helpers` are the good ones by name."""

    helpers: Mapping[str, Helper] = field(default_factory=dict)
    plugins: tuple[Plugin, ...] = ()
    problems: tuple[Problem, ...] = ()

    def plus(self, rows: Iterable[Row]) -> Plugins:
        """The same with the configuration's own discovery protocols; of names that are taken, the plugin's."""
        declared = tuple(rows)
        return replace(self, helpers=with_rows(self.helpers, declared)) if declared else self

    def absent(self) -> dict[str, str]:
        """Why a helper of this name may be missing, for the configuration's messages."""
        why = {p.name: f"{p} is blocked" for p in self.plugins if p.state == "blocked"}
        broken = {p.plugin.name: str(p) for p in self.problems if p.plugin}
        return {name: text for name, text in {**broken, **why}.items() if name not in self.helpers}

    def identity(self) -> tuple[str, ...]:
        """Which plugins are in use: what differs has to be loaded by a process that has not loaded any."""
        return tuple(
            f"{p.distribution} {p.version} {p.name}" for p in self.plugins if p.state == "loaded"
        )

    def describe(self) -> list[dict[str, Any]]:
        """The plugins as plain data."""
        return [
            {
                "name": p.name, "distribution": p.distribution, "version": p.version,
                "module": p.module, "state": p.state, "helpers": list(p.helpers),
                "problems": [q.what for q in self.problems if q.plugin and q.plugin.same(p)],
            }
            for p in self.plugins
        ]  # fmt: skip


def load(
    group: str = GROUP, blocked: Iterable[str] = (), environ: Mapping[str, str] = os.environ
) -> Plugins:
    """Load every installed plugin that is not blocked."""
    loader = _Loader([*blocked, *environ.get(BLOCK_VARIABLE, "").replace(",", " ").split()])
    for plugin, entry in sorted(_identify(entry_points(group=group)), key=lambda f: _order(f[0])):
        loader.take(plugin, entry)
    return loader.finish()


def _identify(entries: Iterable[EntryPoint]) -> Iterator[tuple[Plugin, EntryPoint]]:
    """Each entry point with its plugin; reading a distribution's metadata is slow: once for all its plugins."""
    read = cache(_distribution)
    for entry in entries:
        yield Plugin(entry.name, *read(entry.dist), entry.value), entry


def _distribution(found: Distribution | None) -> tuple[str, str]:
    # in tests and odd installations an entry point belongs to no distribution
    if found is None:
        return "?", "?"
    metadata = found.metadata
    return metadata["Name"], metadata["Version"]


class _Loader:
    def __init__(self, blocked: Iterable[str]) -> None:
        self._blocked = list(blocked)
        self._unused = set(self._blocked) - {"*"}
        self._helpers: dict[str, tuple[Helper, Plugin]] = {}
        self._plugins: list[Plugin] = []
        self._problems: list[Problem] = []

    def take(self, plugin: Plugin, entry: EntryPoint) -> None:
        if self._is_blocked(plugin):
            self._plugins.append(_with(plugin, "blocked"))
            return
        try:
            offered = _ask(entry, plugin.version)
        except _Broken as error:
            self._plugins.append(_with(plugin, "broken"))
            self._problems.append(Problem(plugin, str(error)))
            return
        names = tuple(name for item in offered for name in self._judge(item, plugin))
        self._plugins.append(_with(plugin, "loaded", names))

    def finish(self) -> Plugins:
        for name in sorted(self._unused):
            what = f"a plugin {name!r} is to be blocked, but none of that name is installed"
            self._problems.append(Problem(None, what))
        helpers = {name: helper for name, (helper, _) in self._helpers.items()}
        return Plugins(helpers, tuple(self._plugins), tuple(self._problems))

    def _is_blocked(self, plugin: Plugin) -> bool:
        names = {plugin.name, plugin.distribution, f"{plugin.distribution}:{plugin.name}"}
        self._unused -= names
        outside = plugin.distribution != OWN and "*" in self._blocked
        return outside or not names.isdisjoint(self._blocked)

    def _judge(self, item: object, plugin: Plugin) -> Iterator[str]:
        wrong = list(validate(item)) or list(self._taken(item))
        self._problems += [Problem(plugin, what) for what in wrong]
        if not wrong and isinstance(item, Helper):
            self._helpers[item.name] = (item, plugin)
            yield item.name

    def _taken(self, item: object) -> Iterator[str]:
        for name, (helper, plugin) in self._helpers.items():
            if isinstance(item, Helper) and name == item.name:
                yield f"helper {name}: the name is taken by {plugin}"
            elif isinstance(item, Helper) and helper.kernel_name == item.kernel_name:
                yield f"helper {item.name}: {plugin} registers {helper.kernel_name} as well"


class _Broken(Exception):
    """A plugin that can't be used at all, and why."""


def _ask(entry: EntryPoint, version: str) -> list[object]:
    """Import a plugin and call its hook. A module of somebody else may do anything: even exit."""
    try:
        module = _import(entry, version)
    except (Exception, SystemExit) as error:
        raise _Broken(f"can't be imported: {_tell(error)}") from error
    made_for = getattr(module, "FWHELPERS_API", hookspecs.API_VERSION)
    if made_for != hookspecs.API_VERSION:
        older = isinstance(made_for, int) and made_for < hookspecs.API_VERSION
        remedy = "update the plugin" if older else "update fwhelpers"
        what = f"made for plugin API {made_for!r}, this is {hookspecs.API_VERSION} ({remedy})"
        raise _Broken(what)
    try:
        return _call(entry.name, module)
    except PluginValidationError as error:
        raise _Broken(f"wrong hook: {_tell(error)}") from error
    except _Broken:
        raise
    except (Exception, SystemExit) as error:
        raise _Broken(f"its hook failed: {_tell(error)}") from error


def _import(entry: EntryPoint, version: str) -> object:
    """The plugin's module; anew where another version of it was loaded before (a reload after an upgrade)."""
    top = entry.module.partition(".")[0]
    loaded = sys.modules.get(top)
    if loaded is not None and getattr(loaded, _VERSION, version) != version:
        for name in [n for n in sys.modules if n == top or n.startswith(f"{top}.")]:
            del sys.modules[name]
        importlib.invalidate_caches()
    module: object = entry.load()
    setattr(sys.modules[top], _VERSION, version)
    return module


def _call(name: str, module: object) -> list[object]:
    manager = PluginManager("fwhelpers")  # one each: a broken plugin can't disturb the others' call
    manager.add_hookspecs(hookspecs)
    manager.register(module, name)
    manager.check_pending()
    if not manager.get_hookcallers(module):
        raise _Broken("implements no hook (mark fwhelpers_helpers with @hookimpl)")
    offered: list[object] = []
    for result in manager.hook.fwhelpers_helpers():
        if isinstance(result, Helper):
            raise _Broken("fwhelpers_helpers must return a list of helpers, not one")
        offered += result
    return offered


def _tell(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _order(plugin: Plugin) -> tuple[bool, str, str]:
    return plugin.distribution != OWN, plugin.distribution, plugin.name


def _with(plugin: Plugin, state: str, helpers: tuple[str, ...] = ()) -> Plugin:
    return Plugin(plugin.name, plugin.distribution, plugin.version, plugin.module, state, helpers)
