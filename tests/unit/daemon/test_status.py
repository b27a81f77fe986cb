"""The published state, with a simulated service manager."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fwhelpers.api import DatagramParser, Helper
from fwhelpers.daemon.state import Snapshot
from fwhelpers.daemon.status import StatusPublisher


class Notifier:
    """Records the notifications."""

    def __init__(self) -> None:
        self.watchdog_timeout = 0.0
        self.messages: list[str] = []

    def ready(self, status: str) -> None:
        self.messages.append(f"ready: {status}")

    def status(self, text: str) -> None:
        self.messages.append(text)

    def ping_watchdog(self) -> None:
        self.messages.append("alive")
        self.watchdog_timeout = 0.0


class Workers:
    """Two workers."""

    def __len__(self) -> int:
        return 2

    def totals(self) -> dict[str, Counter[str]]:
        return {"fw-ftp": Counter(expected=3), "old": Counter(expected=1)}

    def status(self) -> list[dict[str, Any]]:
        return [{"queue": 1000}, {"queue": 1001}]


def state() -> Snapshot:
    helpers = {
        "ftp": Helper("ftp", "tcp", [21], DatagramParser),
        "bad": Helper("bad", "tcp", [22], DatagramParser),
        "tftp": Helper("tftp", "udp", [69], DatagramParser),
    }
    config: Any = SimpleNamespace(helpers={"ftp": None, "bad": None, "tftp": None})
    plugins: Any = SimpleNamespace(helpers=helpers)
    workers: Any = Workers()
    nft: Any = None
    return Snapshot(config, plugins, {"bad": "taken"}, workers, nft)


def publisher(notifier: Notifier, runtime: Path) -> StatusPublisher:
    return StatusPublisher(notifier, runtime)  # type: ignore[arg-type]


SUMMARY = "ftp, tftp; 2 workers, 4 expectations so far"


def test_the_state_is_published_in_words_and_numbers(tmp_path: Path) -> None:
    notifier = Notifier()
    status_publisher = publisher(notifier, tmp_path)
    status_publisher.ready(state())
    assert notifier.messages == [SUMMARY, f"ready: {SUMMARY}"]
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["helpers"] == {"ftp": {"expected": 3}, "tftp": {}, "old": {"expected": 1}}
    assert status["workers"] == [{"queue": 1000}, {"queue": 1001}]
    assert status["problems"] == {"bad": "taken"}
    status_publisher.withdraw()
    assert not (tmp_path / "status.json").exists()


def test_an_unwritable_file_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = tmp_path / "run"
    status_publisher = publisher(Notifier(), runtime)
    for _ in range(3):
        status_publisher.publish(state())
    runtime.mkdir()
    status_publisher.publish(state())
    why = f"write {runtime}/status.json: No such file or directory"
    assert caplog.messages == [f"{why}; `fwhelpers counters` shows old numbers"]
    assert (runtime / "status.json").exists()


def test_the_watchdog_is_pinged_while_all_workers_are_supervised(tmp_path: Path) -> None:
    notifier = Notifier()
    notifier.watchdog_timeout = 0.01
    answers = iter([False, False, True])
    asyncio.run(publisher(notifier, tmp_path).ping_watchdog(lambda: next(answers)))
    assert notifier.messages == ["alive"]
