"""Expectations and their events as dictionaries for clients (keys: `fwhelpers.dbus.fields`). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from fwhelpers.api import Endpoint, Helper
from fwhelpers.events.tracker import Event, EventKind, TrackedExpectation
from fwhelpers.kernel import transports
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import INACTIVE, PERMANENT, USERSPACE, Expectation
from fwhelpers.kernel.raw_events import RawConnection
from fwhelpers.worker.messages import FlowReport, ReportKind

_FLAGS = ((PERMANENT, "permanent"), (INACTIVE, "inactive"), (USERSPACE, "userspace"))


@dataclass(frozen=True, slots=True)
class Loss:
    """Events that were lost."""

    stage: str  #: "kernel", "workers", "tracker" or "subscriber"
    count: int  #: 0: unknown
    resynced: bool = False


@dataclass(frozen=True, slots=True)
class InstalledHelpers:
    """Our helpers by their names in the kernel, and their plugins."""

    helpers: Mapping[str, Helper] = field(default_factory=dict)
    plugins: Mapping[str, str] = field(default_factory=dict)  #: plugin by the helper's own name

    def name(self, kernel_name: str) -> str:
        """A helper's name in the configuration; a foreign one keeps the kernel's."""
        helper = self.helpers.get(kernel_name)
        return helper.name if helper else kernel_name

    def policy(self, kernel_name: str, klass: int) -> str:
        """The policy's name for a class of our helper; empty for foreign ones."""
        helper = self.helpers.get(kernel_name)
        return helper.policies[klass].name if helper and klass < len(helper.policies) else ""


class Serializer:
    """`interface_name` returns the name for an index, or an empty string."""

    def __init__(self, interface_name: Callable[[int], str]) -> None:
        self.installed = InstalledHelpers()
        self._interface_name = interface_name

    def item(self, content: Event | FlowReport | Loss, now: float) -> dict[str, Any]:
        match content:
            case Event():
                return self.event(content, now)
            case FlowReport(kind=ReportKind.REFUSED):
                return self.refusal(content)
            case FlowReport():
                return self.report(content)
        return asdict(content)

    def event(self, event: Event, now: float) -> dict[str, Any]:
        fields = self.expectation(event.tracked, now) if event.tracked else {}
        if event.connection is not None:
            connection = event.connection.decode()
            fields["connection"] = ends(connection.orig, connection.reply)
            if event.tracked is None:  # the expectation was used up before our start
                fields["id"] = ""
                fields["zone"] = connection.zone
                if connection.master is not None:
                    fields["master"] = ends(connection.master)
        if event.reason is not None:
            fields["reason"] = str(event.reason)
        if event.kind in (EventKind.CREATED, EventKind.RENEWED, EventKind.MATCHED):
            fields.pop("connections", None)
        return fields

    def expectation(self, tracked: TrackedExpectation, now: float) -> dict[str, Any]:
        """An expectation, with its open connections."""
        e = tracked.expectation
        pending = tracked.is_pending
        return {
            "id": tracked.id,
            "state": "pending" if pending else "matched",
            "helper": self.installed.name(e.helper),
            "kernel_name": e.helper,
            "plugin": self.installed.plugins.get(self.installed.name(e.helper), ""),
            "announcement": tracked.trigger,
            "policy": self.installed.policy(e.helper, e.klass),
            "class": e.klass,
            "flags": [name for bit, name in _FLAGS if e.flags & bit],
            "timeout": e.timeout,
            "remaining": max(0, round(tracked.until - 1.0 - now)) if pending else 0,
            "zone": e.zone,
            "interface": self._interface(tracked.interface),
            **masked(e),
            "nat": _nat(e),
            "master": ends(e.master, tracked.reply),
            "connections": [
                ends(c.orig, c.reply)
                for c in map(RawConnection.decode, tracked.connections.values())
            ],
        }

    def refusal(self, report: FlowReport) -> dict[str, Any]:
        """A refused announcement."""
        return self.report(report) | {
            "announcement": report.trigger,
            "endpoint": report.endpoint,
            "rule": report.rule,
            "interface": self._interface(report.interface),
        }

    def report(self, report: FlowReport) -> dict[str, Any]:
        """A control connection, and the reason for a decision about it."""
        name = self.installed.name(report.helper)
        return {
            "helper": name, "kernel_name": report.helper,
            "plugin": self.installed.plugins.get(name, ""), "transport": report.l4,
            "client": report.client, "server": report.server, "reason": report.reason,
        }  # fmt: skip

    def _interface(self, index: int) -> str:
        return self._interface_name(index) if index else ""


def masked(expectation: Expectation) -> dict[str, Any]:
    """The expected tuple and the mask of its source."""
    expected, mask = expectation.tuple, expectation.mask
    return {
        "transport": _transport(expected),
        "source": _host(expected.src), "source_mask": _host(mask.src),
        "source_port": expected.sport & mask.sport, "source_port_mask": mask.sport,
        "destination": _host(expected.dst), "destination_port": expected.dport,
    }  # fmt: skip


def ends(orig: Tuple, reply: Tuple | None = None) -> dict[str, Any]:
    """A connection's original direction, and its reply direction if known."""
    fields = {
        "transport": _transport(orig),
        "source": _host(orig.src), "source_port": orig.sport,
        "destination": _host(orig.dst), "destination_port": orig.dport,
    }  # fmt: skip
    if reply is not None:
        fields |= {
            "reply_source": _host(reply.src), "reply_source_port": reply.sport,
            "reply_destination": _host(reply.dst), "reply_destination_port": reply.dport,
        }  # fmt: skip
    return fields


def _transport(value: Tuple) -> str:
    return transports.name_of(value.l4)


def _nat(e: Expectation) -> dict[str, Any] | None:
    if e.nat is None:
        return None
    return {
        "direction": "reply" if e.nat_dir else "original", "function": e.fn,
        "address": _host(e.nat.src), "port": e.nat.sport,
    }  # fmt: skip


def _host(address: bytes) -> str:
    return Endpoint(address).host
