"""The reply of GetStatistics: numbers of the daemon and of the event stream, without addresses."""

from __future__ import annotations

import time
from typing import Any

from fwhelpers.dbus.service.control import Control, Values
from fwhelpers.events.stream import EventStream

Reply = tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]


def statistics(control: Control, events: EventStream) -> Reply:
    """Return the service's values, those of all helpers with numbers, and those of the workers."""
    summary = control.summary()
    service = {key: summary[key] for key in ("version", "steering", "fail_mode", "started")}
    rates = control.rates()
    workers = [
        {**worker, "rates": dict(rates.get(("worker", str(worker["queue"])), {}))}
        for worker in control.workers()
    ]
    helpers = control.helpers()
    rows = [_row(events, helper) for helper in helpers]
    for row in rows:
        row["rates"] = dict(rates.get(("helper", row["name"]), {}))
    rows = [row for row in rows if row["enabled"] or _has_numbers(row)]
    rows += _foreign(events, {helper["kernel_name"] for helper in helpers})
    now = time.monotonic()
    service |= {
        "losses": dict(events.statistics.losses),
        "last_takeover": control.last_takeover(),
        "replication": control.replication(),
        "opened_by_minute": events.statistics.opened.counts(now),
        "refused_by_minute": events.statistics.refused.counts(now),
    }
    return service, rows, workers


def _row(events: EventStream, helper: Values) -> dict[str, Any]:
    keys = ("name", "kernel_name", "enabled", "registered", "counters")
    return {**{key: helper[key] for key in keys}, **_numbers(events, helper["kernel_name"])}


def _numbers(events: EventStream, kernel_name: str) -> dict[str, Any]:
    pending, matched = events.live_counts().get(kernel_name, (0, 0))
    return {
        "event_counts": dict(events.statistics.events.get(kernel_name, {})),
        "refused_by_rule": dict(events.statistics.refused_by_rule.get(kernel_name, {})),
        "pending": pending,
        "matched": matched,
    }


def _has_numbers(row: Values) -> bool:
    return any(row[key] for key in ("counters", "event_counts", "pending", "matched"))


def _foreign(events: EventStream, ours: set[str]) -> list[dict[str, Any]]:
    """Helpers of the kernel or of other programs, whose expectations the kernel reports too."""
    names = (events.statistics.events.keys() | events.live_counts().keys()) - ours - {""}
    return [
        {
            "name": name, "kernel_name": name, "enabled": False, "registered": True, "counters": {},
            **_numbers(events, name), "rates": {},
        }
        for name in sorted(names)
    ]  # fmt: skip
