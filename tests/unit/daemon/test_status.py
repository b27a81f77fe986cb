"""What the service tells of itself, with the service manager and the file system played."""

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
    """A service manager that hears."""

    def __init__(self) -> None:
        self.watched = 0.0
        self.heard: list[str] = []

    def ready(self, status: str) -> None:
        self.heard.append(f"ready: {status}")

    def status(self, text: str) -> None:
        self.heard.append(text)

    def alive(self) -> None:
        self.heard.append("alive")
        self.watched = 0.0


class Fleet:
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
    fleet: Any = Fleet()
    nft: Any = None
    return Snapshot(config, plugins, {"bad": "taken"}, fleet, nft)


def presence(notifier: Notifier, runtime: Path) -> StatusPublisher:
    return StatusPublisher(notifier, runtime)  # type: ignore[arg-type]


SUMMARY = "ftp, tftp; 2 workers, 4 expectations so far"


def test_words_and_numbers(tmp_path: Path) -> None:
    notifier = Notifier()
    told = presence(notifier, tmp_path)
    told.ready(state())
    assert notifier.heard == [SUMMARY, f"ready: {SUMMARY}"]
    status = json.loads((tmp_path / "status.json").read_text())
    assert status["helpers"] == {"ftp": {"expected": 3}, "tftp": {}, "old": {"expected": 1}}
    assert status["workers"] == [{"queue": 1000}, {"queue": 1001}]
    assert status["problems"] == {"bad": "taken"}
    told.withdraw()
    assert not (tmp_path / "status.json").exists()


def test_a_file_system_that_takes_nothing_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = tmp_path / "run"
    told = presence(Notifier(), runtime)
    for _ in range(3):
        told.publish(state())
    runtime.mkdir()
    told.publish(state())
    why = f"write {runtime}/status.json: No such file or directory"
    assert caplog.messages == [f"{why}; `fwhelpers counters` shows old numbers"]
    assert (runtime / "status.json").exists()


def test_the_watchdog_is_fed_while_all_is_looked_after(tmp_path: Path) -> None:
    notifier = Notifier()
    notifier.watched = 0.01
    answers = iter([False, False, True])
    asyncio.run(presence(notifier, tmp_path).feed(lambda: next(answers)))
    assert notifier.heard == ["alive"]
