"""The keys of all dictionaries (a{sv}) in the API; drives encoding and a test of docs/dbus.md.

Keys may be added at any time. A key never changes its type or meaning, and is never removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

DICTIONARY, DICTIONARIES = "a{sv}", "aa{sv}"


class Typed(NamedTuple):
    """A value with its D-Bus signature."""

    signature: str
    value: Any


#: signatures by key
FIELDS: Mapping[str, str] = MappingProxyType({
    # of an expectation
    "id": "s", "state": "s", "helper": "s", "kernel_name": "s", "plugin": "s", "announcement": "s",
    "policy": "s", "class": "u", "flags": "as", "timeout": "u", "remaining": "u", "zone": "q",
    "interface": "s", "master": DICTIONARY, "connections": DICTIONARIES, "connection": DICTIONARY,
    # its tuple and mask, and a connection's tuples
    "transport": "s", "source": "s", "source_mask": "s", "source_port": "q", "source_port_mask": "q",
    "destination": "s", "destination_port": "q", "reply_source": "s", "reply_source_port": "q",
    "reply_destination": "s", "reply_destination_port": "q",
    "nat": DICTIONARY, "direction": "s", "function": "s", "address": "s", "port": "q",
    # of a refused announcement or a withdrawn expectation
    "client": "s", "server": "s", "endpoint": "s", "rule": "s", "reason": "s",
    # of lost events
    "stage": "s", "count": "t", "resynced": "b",
    # of a helper and its plugin
    "name": "s", "enabled": "b", "registered": "b", "problem": "s", "description": "s",
    "specification": "s", "transports": "as", "ports": "aq", "default_ports": "aq", "families": "aq",
    "interfaces": "as", "fail_mode": "s", "backend": "s", "outgoing": "b", "policies": DICTIONARIES, "max": "u",
    "min_port": "q", "settings": DICTIONARIES, "default": "s", "counters": "a{st}",
    "distribution": "s", "version": "s", "module": "s", "helpers": "as", "problems": "as",
    # of a worker
    "queue": "u", "pid": "u", "ready": "b", "restarts": "t", "packets": "t", "overflows": "t",
    "cpu_seconds": "d", "waiting_bytes": "t", "buffer_bytes": "t",
    # of the statistics
    "started": "d", "losses": "a{st}", "event_counts": "a{st}", "refused_by_rule": "a{st}",
    "pending": "t", "matched": "t", "rates": "a{sd}", "time": "d",
    "opened_by_minute": "at", "refused_by_minute": "at",
    "steering": "s",
    "last_takeover": DICTIONARY, "repaired": "t", "kept": "t", "refused": "t", "lost": "t",
    "replication": DICTIONARY, "connected": "b", "lag": "d", "received": "t", "confirmed": "t",
    # of a check
    "ok": "b", "detail": "s", "hint": "s",
    # options and results
    "persist": "b", "drop_in": "s", "events": "as", "limit": "u", "after": "s",
})  # fmt: skip


def to_variants(values: Mapping[str, Any]) -> dict[str, Typed]:
    """Add the D-Bus types; keys whose value is None are left out. Raises KeyError for an unknown key."""
    return {
        key: _to_variant(FIELDS[key], value) for key, value in values.items() if value is not None
    }


def _to_variant(signature: str, value: Any) -> Typed:
    if signature == DICTIONARY:
        return Typed(signature, to_variants(value))
    if signature == DICTIONARIES:
        return Typed(signature, [to_variants(inner) for inner in value])
    return Typed(signature, list(value) if isinstance(value, tuple) else value)
