"""The reply of GetStatistics: which helpers it lists."""

from __future__ import annotations

from typing import Any

from fwhelpers.dbus.service.statistics import statistics
from fwhelpers.events.stream import EventStream
from fwhelpers.events.tracker import EventKind


class Daemon:
    """The part of `Control` that is used."""

    def __init__(self, *helpers: dict[str, Any]) -> None:
        self._helpers = helpers

    def summary(self) -> dict[str, Any]:
        return {
            "version": "1",
            "steering": "rules",
            "fail_mode": "open",
            "started": 5.0,
            "enabled": [],
        }

    def helpers(self) -> list[dict[str, Any]]:
        return list(self._helpers)

    def workers(self) -> list[dict[str, Any]]:
        return [{"queue": 1000, "pid": 7}]

    def rates(self) -> dict[tuple[str, str], dict[str, float]]:
        return {("helper", "ftp"): {"expected": 1.0}}

    def last_takeover(self) -> None:
        return None

    def replication(self) -> None:
        return None


def helper(name: str, *, enabled: bool = False, **counters: int) -> dict[str, Any]:
    return {
        "name": name, "kernel_name": f"fw-{name}", "enabled": enabled, "registered": True,
        "counters": counters, "description": "…",
    }  # fmt: skip


def test_enabled_helpers_and_those_with_numbers_are_listed() -> None:
    events = EventStream()
    events.statistics.count("fw-tftp", EventKind.REFUSED, 1.0)
    events.statistics.count("sip", EventKind.CREATED, 1.0, 2)
    events.statistics.count("", EventKind.MATCHED, 1.0)  # the helper is unknown
    helpers = [helper("ftp", enabled=True), helper("rpc"), helper("tftp"), helper("tns", done=1)]
    _, rows, workers = statistics(Daemon(*helpers), events)  # type: ignore[arg-type]
    assert [row["name"] for row in rows] == ["ftp", "tftp", "tns", "sip"]
    assert rows[0]["rates"] == {"expected": 1.0}
    assert rows[1]["event_counts"] == {"refused": 1}
    assert rows[3]["event_counts"] == {"created": 2}
    assert not rows[3]["enabled"]
    assert workers == [{"queue": 1000, "pid": 7, "rates": {}}]
    assert all("description" not in row for row in rows)
