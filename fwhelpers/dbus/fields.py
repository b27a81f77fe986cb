"""All keys of the API's dictionaries (a{sv}), once: this drives encoding, and a test of docs/dbus.md.

Keys may be added at any time; none ever changes its type or its meaning, or goes away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

VALUES, LIST = "a{sv}", "aa{sv}"


class Typed(NamedTuple):
    """A value with its D-Bus signature."""

    signature: str
    value: Any


#: signatures by key
FIELDS: Mapping[str, str] = MappingProxyType({
    # of an expectation
    "id": "s", "state": "s", "helper": "s", "kernel_name": "s", "plugin": "s", "what": "s",
    "policy": "s", "class": "u", "flags": "as", "timeout": "u", "remaining": "u", "zone": "q",
    "interface": "s", "master": VALUES, "connections": LIST, "connection": VALUES,
    # its tuple and mask, and a connection's tuples
    "transport": "s", "source": "s", "source_mask": "s", "source_port": "q", "source_port_mask": "q",
    "destination": "s", "destination_port": "q", "reply_source": "s", "reply_source_port": "q",
    "reply_destination": "s", "reply_destination_port": "q",
    "nat": VALUES, "direction": "s", "function": "s", "address": "s", "port": "q",
    # of what was refused or withdrawn
    "client": "s", "server": "s", "endpoint": "s", "rule": "s", "reason": "s",
    # of what was lost
    "count": "t", "resynchronised": "b",
    # of a helper and its plugin
    "name": "s", "enabled": "b", "registered": "b", "problem": "s", "description": "s",
    "specification": "s", "transports": "as", "ports": "aq", "default_ports": "aq", "families": "aq",
    "interfaces": "as", "fail": "s", "outgoing": "b", "policies": LIST, "max": "u", "min_port": "q",
    "settings": LIST, "default": "s", "counters": "a{st}",
    "distribution": "s", "version": "s", "module": "s", "helpers": "as", "problems": "as",
    # of a worker
    "queue": "u", "pid": "u", "ready": "b", "restarts": "t", "packets": "t", "overflows": "t",
    # of a finding
    "ok": "b", "detail": "s", "hint": "s",
    # options and results
    "persist": "b", "persisted": "s", "events": "as", "limit": "u", "after": "s",
})  # fmt: skip


def values(given: Mapping[str, Any]) -> dict[str, Typed]:
    """Give a dictionary's values their types; what is None is left out. Raises KeyError: no such key."""
    return {key: _typed(FIELDS[key], value) for key, value in given.items() if value is not None}


def lists(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Typed]]:
    """The same for several."""
    return [values(one) for one in given]


def _typed(signature: str, value: Any) -> Typed:
    if signature == VALUES:
        return Typed(signature, values(value))
    if signature == LIST:
        return Typed(signature, lists(value))
    return Typed(signature, list(value) if isinstance(value, tuple) else value)
