"""The interfaces that every object has: introspection, properties, the manager of objects, the peer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import BusError, Call
from fwhelpers.dbus.introspection import Interface, introspection
from fwhelpers.dbus.service.methods import Body
from fwhelpers.dbus.service.objects import Interfaces, Properties, Tree, children

_MACHINE_ID = Path("/etc/machine-id")


class StandardInterfaces:
    """`tree` gives the objects as they are now."""

    def __init__(self, tree: Callable[[], Tree], interfaces: Interfaces) -> None:
        self._tree = tree
        self._interfaces = interfaces

    def at(self, path: str) -> list[Interface]:
        """The interfaces of an object, ours first; none: there is no such object."""
        tree = self._tree()
        common = [names.INTROSPECTABLE, names.PEER]
        if path in tree:
            root = [names.OBJECT_MANAGER] if path == names.PATH else []
            found = [*tree[path], names.PROPERTIES, *root, *common]
        elif children(tree, path):
            found = common
        else:
            return []
        return [self._interfaces[name] for name in found]

    def answer(self, interface: str, call: Call) -> Body:
        """Answer a call whose arguments fit. Raises BusError."""
        if interface == names.PEER:
            return [] if call.member == "Ping" else [_machine_id()]
        tree = self._tree()
        if interface == names.INTROSPECTABLE:
            return [introspection(self.at(call.path), children(tree, call.path))]
        if interface == names.OBJECT_MANAGER:
            return [{path: tree[path] for path in tree if path != names.PATH}]
        return self._properties(tree, call)

    def _properties(self, tree: Tree, call: Call) -> Body:
        properties = self._of(tree, call.path, call.body[0])
        if call.member == "GetAll":
            return [properties]
        name = call.body[1]
        if name not in properties:
            raise BusError(names.UNKNOWN_PROPERTY, f"there is no property {ascii(name)[1:-1]}")
        if call.member == "Set":
            raise BusError(names.READ_ONLY, f"{name} can only be read")
        return [properties[name]]

    def _of(self, tree: Tree, path: str, interface: str) -> Properties:
        there = tree[path]
        if not interface:  # the specification's word for "of whatever interface"
            return {name: value for given in there.values() for name, value in given.items()}
        if interface not in there:
            if any(one.name == interface for one in self.at(path)):
                return {}
            what = f"{path} has no interface {ascii(interface)[1:-1]}"
            raise BusError(names.UNKNOWN_INTERFACE, what)
        return there[interface]


def _machine_id() -> str:
    try:
        return _MACHINE_ID.read_text().strip()
    except OSError:
        raise BusError(names.FAILED, "this machine has no id") from None
