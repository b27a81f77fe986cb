"""`fwhelpers cluster status`: what it says about conntrackd, keepalived and the last take-over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fwhelpers.cli import cluster, conntrackd, replication_state
from fwhelpers.cli.errors import CliError
from fwhelpers.cli.main import main
from fwhelpers.daemon import takeover_record
from fwhelpers.daemon.takeover_record import Takeover
from fwhelpers.replication.local_table import Answer
from fwhelpers.replication.records import Status

EXAMPLES = Path(__file__).parents[3] / "docs/examples/gateways"
ANSWER = """cache internal:
current active connections: 12
cache external:
current active connections: 3
message tracking:
 0 Malformed msgs 6 Lost msgs
"""


@pytest.fixture(autouse=True)
def gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A gateway with conntrackd, and with both virtual addresses."""
    monkeypatch.setattr(conntrackd, "query", lambda conf, *words: ANSWER)
    monkeypatch.setattr(conntrackd, "hears", lambda ask: True)
    monkeypatch.setattr(cluster, "_own_addresses", lambda: {"10.0.1.1", "10.0.2.1", "::1"})
    monkeypatch.setattr(takeover_record, "STATE", tmp_path)
    notify = str(EXAMPLES / "notify")
    vrrp = (EXAMPLES / "keepalived.conf").read_text()
    (tmp_path / "vrrp").write_text(vrrp.replace("/etc/keepalived/fwhelpers-notify", notify))


def run(folder: Path, *options: str, conf: Path = EXAMPLES / "conntrackd.conf") -> int:
    files = (
        "--conntrackd",
        str(conf),
        "--keepalived",
        str(folder / "vrrp"),
        "--config",
        str(folder),
    )
    return main(["cluster", "status", *files, *options])


def as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    run(folder, "--json")
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    takeover_record.add(Takeover(0.0, 12, 3, {"G6: \x1b[2J": 1}, {}))
    assert run(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "conntrackd: mode FTFW, the other gateway answers",
        "  connections: 12 of this gateway, 3 of the other gateway, 0 not stored",
        "  expectations: 12 of this gateway, 3 of the other gateway, 0 not stored",
        "  messages: 0 unacknowledged, 6 lost, 0 errors",
        "keepalived: active, this host has 10.0.1.1 and 10.0.2.1",
        lines[5],
    ]
    # text from the state directory does not reach the terminal as it is
    assert lines[5].endswith(", 12 repaired, 3 kept, 1 refused (G6: \\x1b[2J), 0 lost")
    assert lines[6:] == ["take-overs: 1"]


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = as_json(tmp_path, capsys)
    assert state["conntrackd"]["expectations"] == {"own": 12, "other": 3, "failed": 0}
    assert state["conntrackd"]["heard"] is True
    assert state["keepalived"]["addresses"] == {"10.0.1.1": True, "10.0.2.1": True}
    assert (state["takeovers"], state["last_takeover"], state["problems"]) == (0, None, [])


def test_a_silent_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(conntrackd, "hears", lambda ask: False)
    assert run(tmp_path) == 3
    assert "has sent nothing for 3 s" in capsys.readouterr().out


def test_a_conntrackd_that_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def silent(conf: Path, *words: str) -> str:
        raise CliError("conntrackd does not answer")

    monkeypatch.setattr(conntrackd, "query", silent)
    assert run(tmp_path) == 3
    assert "problem: conntrackd: conntrackd does not answer" in capsys.readouterr().out


def test_both_gateways_may_be_active(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cluster, "_own_addresses", lambda: {"10.0.1.1"})
    assert run(tmp_path) == 3
    assert "partly active, this host has 10.0.1.1\n" in (out := capsys.readouterr().out)
    assert "both gateways may be active" in out


def test_mistakes_of_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf = (EXAMPLES / "conntrackd.conf").read_text().replace("ExpectationSync On", "")
    (tmp_path / "conf").write_text(conf.replace("FTFW", "ALARM"))
    assert run(tmp_path, conf=tmp_path / "conf") == 3
    assert "expectations are not synchronised" in (out := capsys.readouterr().out)
    assert "no sign of life in this mode" in out


def test_a_single_gateway(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vrrp").unlink()
    assert run(tmp_path, conf=tmp_path / "none") == 0
    assert capsys.readouterr().out.splitlines() == [
        "conntrackd: not configured to synchronise",
        "keepalived: no virtual addresses are configured",
        "last take-over: none recorded",
    ]


def test_the_replication(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = '[replication]\nlisten = "10.0.9.1:1"\npeer = "10.0.9.2:1"\n'
    (tmp_path / "fwhelpers.toml").write_text(text)
    status = Status(True, True, 0.0, "9", 0.0008, 3, 30)
    monkeypatch.setattr(replication_state, "query", lambda mark: Answer(status, []))
    assert run(tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[4].startswith("replication: connected since 19")
    assert lines[4].endswith(", the other gateway has version 9, answers after 0.8 ms")
    assert lines[5] == "  expectations: 30 of this gateway there, 3 of the other gateway here"
    assert as_json(tmp_path, capsys)["replication"]["received"] == 3
    status = Status(True, False, 0.0, "9", 0.0008, 3, 30)
    assert run(tmp_path) == 3
    assert "problem: replication: this gateway receives nothing" in capsys.readouterr().out
