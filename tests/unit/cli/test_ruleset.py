"""`ruleset`, `counters`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fwhelpers import config
from fwhelpers.cli import ruleset
from fwhelpers.cli.main import main
from fwhelpers.daemon import runtime_dir
from fwhelpers.ruleset import teardown

pytestmark = pytest.mark.usefixtures("installed")

Capture = pytest.CaptureFixture[str]


def test_ruleset_is_what_run_would_load(config_dir: Path, capsys: Capture) -> None:
    assert main(["ruleset", "--config", str(config_dir)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(teardown())
    assert "udp dport 7 counter" in printed
    assert "offset 1000" in printed


def test_queues_follow_the_workers() -> None:
    assert ruleset.queues(config.DaemonConfig(workers=3, queues=7)) == range(7, 10)
    assert len(ruleset.queues(config.DaemonConfig())) >= 1


STATUS = {
    "pid": 1,
    "helpers": {"ftp": {"expected": 2, "refused": 1}, "rpc": {}},
    "workers": [{"queue": 1000, "packets": 7}],
    "problems": {"tns": "not registered"},
}


@pytest.mark.parametrize("as_json", [False, True])
def test_counters(as_json: bool, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_dir, "read_status", lambda: STATUS)
    assert main(["counters", *(["--json"] if as_json else [])]) == 0
    out = capsys.readouterr().out
    if as_json:
        assert json.loads(out) == STATUS
    else:
        assert out.splitlines() == [
            "helper ftp: expected 2, refused 1",
            "helper rpc: no traffic yet",
            "worker 0: queue 1000, packets 7",
            "problem: tns: not registered",
        ]


def test_counters_without_a_service(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(runtime_dir, "read_status", read)
    assert main(["counters"]) == 1
    assert capsys.readouterr().err.startswith(
        "fwhelpers: error: the service is not running\nhint: "
    )
