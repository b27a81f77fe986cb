"""Expectations and what happens to them, as dictionaries for clients (keys: `fwhelpers.dbus.fields`). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fwhelpers.api import Endpoint, Helper
from fwhelpers.events.tracker import Event, TrackedExpectation
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import INACTIVE, PERMANENT, USERSPACE, Expectation

_TRANSPORTS = {6: "tcp", 17: "udp"}
_FLAGS = ((PERMANENT, "permanent"), (INACTIVE, "inactive"), (USERSPACE, "userspace"))


@dataclass(frozen=True, slots=True)
class Known:
    """What the kernel does not know of helpers: ours by the name that it knows."""

    helpers: Mapping[str, Helper] = field(default_factory=dict)
    plugins: Mapping[str, str] = field(default_factory=dict)  #: plugin by the helper's own name

    def name(self, kernel_name: str) -> str:
        """A helper's name in the configuration; of one that is not ours the kernel's."""
        helper = self.helpers.get(kernel_name)
        return helper.name if helper else kernel_name

    def policy(self, kernel_name: str, klass: int) -> str:
        """What our helper calls a class of expectations."""
        helper = self.helpers.get(kernel_name)
        return helper.policies[klass].name if helper and klass < len(helper.policies) else ""


class Describer:
    """Makes dictionaries. `interface_name`: of an index, "" if there is none."""

    def __init__(self, interface_name: Callable[[int], str]) -> None:
        self.known = Known()
        self._interface_name = interface_name

    def event(self, event: Event, now: float) -> dict[str, Any]:
        """One event."""
        told = self.expectation(event.tracked, now) if event.tracked else {}
        if event.connection is not None:
            told["connection"] = ends(event.connection.orig, event.connection.reply)
            if event.tracked is None:  # one that was used up before we were there to see it
                told["id"] = ""
                told["zone"] = event.connection.zone
                if event.connection.master is not None:
                    told["master"] = ends(event.connection.master)
        if event.kind == "withdrawn":
            told["reason"] = event.reason
        if event.kind in ("created", "matched"):
            told.pop("connections", None)
        return told

    def expectation(self, tracked: TrackedExpectation, now: float) -> dict[str, Any]:
        """An expectation, with the connections that it led to and that are still there."""
        e = tracked.expectation
        over = tracked.over in ("", "ended")
        return {
            "id": tracked.id,
            "state": "expected" if over else "used",
            "helper": self.known.name(e.helper),
            "kernel_name": e.helper,
            "plugin": self.known.plugins.get(self.known.name(e.helper), ""),
            "what": tracked.what,
            "policy": self.known.policy(e.helper, e.klass),
            "class": e.klass,
            "flags": [name for bit, name in _FLAGS if e.flags & bit],
            "timeout": e.timeout,
            "remaining": max(0, round(tracked.until - 1.0 - now)) if over else 0,
            "zone": e.zone,
            "interface": self._interface_name(tracked.interface) if tracked.interface else "",
            **masked(e),
            "nat": _nat(e),
            "master": ends(e.master, tracked.reply),
            "connections": [ends(c.orig, c.reply) for c in tracked.connections.values()],
        }

    def refused(self, note: Mapping[str, Any]) -> dict[str, Any]:
        """An announcement that opened nothing."""
        name = self.known.name(note["helper"])
        index = note.get("interface", 0)
        return {
            "helper": name, "kernel_name": note["helper"],
            "plugin": self.known.plugins.get(name, ""), "what": note["what"],
            "transport": note["l4"], "client": note["client"], "server": note["server"],
            "endpoint": note["endpoint"], "rule": note["rule"], "reason": note["reason"],
            "interface": self._interface_name(index) if index else "",
        }  # fmt: skip


def masked(expectation: Expectation) -> dict[str, Any]:
    """The expected tuple and the mask of its source."""
    wanted, mask = expectation.tuple, expectation.mask
    return {
        "transport": _TRANSPORTS.get(wanted.l4, str(wanted.l4)),
        "source": _host(wanted.src), "source_mask": _host(mask.src),
        "source_port": wanted.sport, "source_port_mask": mask.sport,
        "destination": _host(wanted.dst), "destination_port": wanted.dport,
    }  # fmt: skip


def ends(orig: Tuple, reply: Tuple | None = None) -> dict[str, Any]:
    """A connection's original direction, and its reply direction where that is known."""
    told = {
        "transport": _TRANSPORTS.get(orig.l4, str(orig.l4)),
        "source": _host(orig.src), "source_port": orig.sport,
        "destination": _host(orig.dst), "destination_port": orig.dport,
    }  # fmt: skip
    if reply is not None:
        told |= {
            "reply_source": _host(reply.src), "reply_source_port": reply.sport,
            "reply_destination": _host(reply.dst), "reply_destination_port": reply.dport,
        }  # fmt: skip
    return told


def _nat(e: Expectation) -> dict[str, Any] | None:
    if e.nat is None:
        return None
    return {
        "direction": "reply" if e.nat_dir else "original", "function": e.fn,
        "address": _host(e.nat.src), "port": e.nat.sport,
    }  # fmt: skip


def _host(address: bytes) -> str:
    return Endpoint(address).host
