"""The exported objects and their properties, computed from the daemon's state, and their changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fwhelpers.dbus import names
from fwhelpers.dbus.fields import Typed
from fwhelpers.dbus.introspection import Interface
from fwhelpers.dbus.service.control import Control, Values

Properties = dict[str, Typed]
Tree = dict[str, dict[str, Properties]]  #: path → interface → properties
Interfaces = Mapping[str, Interface]


def tree(control: Control, interfaces: Interfaces) -> Tree:
    """Return all objects, the root first (ObjectManager does not list it)."""
    manager = _typed(interfaces[names.MANAGER], _manager(control.summary()))
    paths: Tree = {names.PATH: {names.MANAGER: manager, names.EXPECTATIONS: {}}}
    for helper in control.helpers():
        properties = _typed(interfaces[names.HELPER], _helper(helper))
        paths[names.helper_path(helper["name"])] = {names.HELPER: properties}
    for worker in control.workers():
        properties = _typed(
            interfaces[names.WORKER],
            {
                "Queue": worker["queue"],
                "Pid": worker["pid"] or 0,
                "Ready": worker["ready"],
                "Restarts": worker["restarts"],
                "Packets": worker["packets"],
                "Overflows": worker["overflows"],
            },
        )
        paths[names.worker_path(worker["queue"])] = {names.WORKER: properties}
    return paths


def _manager(summary: Values) -> dict[str, Any]:
    return {
        "Version": summary["version"], "EnabledHelpers": list(summary["enabled"]),
        "Problems": dict(summary["problems"]), "Steering": summary["steering"],
        "FailMode": summary["fail_mode"],
    }  # fmt: skip


def _helper(helper: Values) -> dict[str, Any]:
    return {
        "Name": helper["name"], "KernelName": helper["kernel_name"],
        "Description": helper["description"], "Plugin": helper["plugin"],
        "Enabled": helper["enabled"], "Registered": helper["registered"],
        "Problem": helper["problem"], "Transports": list(helper["transports"]),
        "Ports": list(helper["ports"]), "Counters": dict(helper["counters"]),
    }  # fmt: skip


def _typed(interface: Interface, values: Mapping[str, Any]) -> Properties:
    return {key: Typed(prop.type, values[key]) for key, prop in interface.properties.items()}


def changes(
    old: Tree, new: Tree, interfaces: Interfaces
) -> Iterator[tuple[str, str, str, str, list[Any]]]:
    """Yield the signals that lead from `old` to `new`: path, interface, member, signature, body."""
    for path in old.keys() - new.keys():
        body = [path, list(old[path])]
        yield names.PATH, names.OBJECT_MANAGER, "InterfacesRemoved", "oas", body
    for path in new.keys() - old.keys():
        yield names.PATH, names.OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, new[path]]
    for path in sorted(new.keys() & old.keys()):
        for name, properties in new[path].items():
            emits = interfaces[name].properties
            changed = {
                key: value
                for key, value in properties.items()
                if emits[key].emits == "true" and old[path].get(name, {}).get(key) != value
            }
            if changed:
                yield path, names.PROPERTIES, "PropertiesChanged", "sa{sv}as", [name, changed, []]


def children(paths: Tree, path: str) -> list[str]:
    """Return the names of the nodes below a path, for introspection."""
    prefix = path.rstrip("/") + "/"
    return sorted({p[len(prefix) :].split("/")[0] for p in paths if p.startswith(prefix)})
