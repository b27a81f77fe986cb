"""A reply of GetStatistics for tests of metrics and of the live view."""

from __future__ import annotations

from typing import Any


def service(**more: Any) -> dict[str, Any]:
    return {
        "version": "9", "steering": "rules", "fail_mode": "open", "started": 1e9,
        "losses": {"kernel": 2},
        "last_takeover": {"time": 2e9, "repaired": 5, "kept": 4, "refused": 3, "lost": 1},
        "replication": {"connected": True, "lag": 0.001, "received": 3, "confirmed": 4}, **more,
    }  # fmt: skip


def helper(name: str = "ftp", **more: Any) -> dict[str, Any]:
    return {
        "name": name, "kernel_name": f"fw-{name}", "enabled": True, "registered": True,
        "counters": {"expected": 3, "refused": 1}, "event_counts": {"created": 3, "refused": 1},
        "refused_by_rule": {"G5": 1}, "pending": 2, "matched": 1,
        "rates": {"expected": 0.25, "refused": 0.0}, **more,
    }  # fmt: skip


def worker(queue: int = 1000, **more: Any) -> dict[str, Any]:
    return {
        "queue": queue, "pid": 77, "ready": True, "restarts": 1, "packets": 500, "overflows": 4,
        "cpu_seconds": 1.5, "waiting_bytes": 4096, "buffer_bytes": 1 << 20,
        "rates": {"packets": 12.5, "cpu_seconds": 0.03}, **more,
    }  # fmt: skip
