"""The standard interfaces of every object: Introspectable, Properties, ObjectManager, Peer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Message
from fwhelpers.dbus.errors import BusError
from fwhelpers.dbus.introspection import Interface, introspect
from fwhelpers.dbus.service.methods import Body
from fwhelpers.dbus.service.objects import Interfaces, Properties, Tree, children
from fwhelpers.dbus.service.options import printable, suggestion

_MACHINE_ID = Path("/etc/machine-id")


class StandardInterfaces:
    """`tree` returns the current objects."""

    def __init__(self, tree: Callable[[], Tree], interfaces: Interfaces) -> None:
        self._tree = tree
        self._interfaces = interfaces

    def interfaces_at(self, path: str) -> list[Interface]:
        """Return the interfaces of an object, ours first; empty if there is no such object."""
        tree = self._tree()
        common = [names.INTROSPECTABLE, names.PEER]
        if path in tree:
            root = [names.OBJECT_MANAGER] if path == names.PATH else []
            interfaces = [*tree[path], names.PROPERTIES, *root, *common]
        elif children(tree, path):
            interfaces = common
        else:
            return []
        return [self._interfaces[name] for name in interfaces]

    def invoke(self, interface: str, call: Message) -> Body:
        """Return the result of a call with valid arguments. Raises BusError."""
        if interface == names.PEER:
            return [] if call.member == "Ping" else [_machine_id()]
        tree = self._tree()
        if interface == names.INTROSPECTABLE:
            return [introspect(self.interfaces_at(call.path), children(tree, call.path))]
        if interface == names.OBJECT_MANAGER:
            return [{path: tree[path] for path in tree if path != names.PATH}]
        return self._access_properties(tree, call)

    def _access_properties(self, tree: Tree, call: Message) -> Body:
        properties = self._properties(tree, call.path, call.body[0])
        if call.member == "GetAll":
            return [properties]
        name = call.body[1]
        if name not in properties:
            text = f"no property {printable(name)}{suggestion(name, properties)}"
            raise BusError(names.UNKNOWN_PROPERTY, text)
        if call.member == "Set":
            raise BusError(names.READ_ONLY, f"{name} is read-only")
        return [properties[name]]

    def _properties(self, tree: Tree, path: str, interface: str) -> Properties:
        interfaces = tree[path]
        if not interface:  # the specification: of any interface
            return {key: value for values in interfaces.values() for key, value in values.items()}
        if interface in interfaces:
            return interfaces[interface]
        if any(standard.name == interface for standard in self.interfaces_at(path)):
            return {}
        raise BusError(names.UNKNOWN_INTERFACE, f"{path} has no interface {printable(interface)}")


def _machine_id() -> str:
    try:
        return _MACHINE_ID.read_text().strip()
    except OSError:
        raise BusError(names.FAILED, "this machine has no machine ID") from None
