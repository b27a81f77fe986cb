"""What `check` and `cluster status` say about the replication."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from gateways_pair import Gateway
from shipped import need

from fwhelpers.cli import replication_state as module
from fwhelpers.config import ReplicationConfig
from fwhelpers.firewalld.diagnostics import Diagnostic
from fwhelpers.replication.local_table import Answer
from fwhelpers.replication.records import Status


@pytest.fixture
def config(tmp_path: Path) -> ReplicationConfig:
    need("openssl")
    return Gateway(tmp_path / "a", 1, 1).config(Gateway(tmp_path / "b", 2, 1))


@pytest.fixture
def status(monkeypatch: pytest.MonkeyPatch) -> list[Status]:
    """What the process answers; nothing if it is empty."""
    answers = [Status(True, True, 0.0, "9", 0.001)]

    def query(mark: bool) -> Answer:
        assert not mark
        if not answers:
            raise FileNotFoundError(2, "No such file or directory")
        return Answer(answers[0], [])

    monkeypatch.setattr(module, "query", query)
    return answers


def problems(config: ReplicationConfig) -> list[str]:
    return [item.problem for item in module.diagnose(config) if isinstance(item, Diagnostic)]


def test_all_is_well(config: ReplicationConfig, status: list[Status]) -> None:
    assert list(module.diagnose(config)) == ["the other gateway is connected"]
    assert list(module.diagnose(None)) == []


def test_no_process(config: ReplicationConfig, status: list[Status]) -> None:
    status.clear()
    (problem,) = problems(config)
    assert problem.endswith("table: No such file or directory")
    assert list(module.lines(module.collect(config))) == ["replication: state unknown"]


@pytest.mark.parametrize(
    ("sending", "receiving", "problem"),
    [
        (False, False, "the other gateway is not connected"),
        (True, False, "this gateway receives nothing"),
        (False, True, "this gateway sends nothing"),
    ],
)
def test_one_direction(
    config: ReplicationConfig, status: list[Status], sending: bool, receiving: bool, problem: str
) -> None:
    status[0] = Status(sending, receiving)
    assert problems(config) == [problem]
    assert next(module.lines(module.collect(config))).startswith("replication: not connected since")


@pytest.mark.parametrize(
    ("up", "others"), [(True, []), (False, ["the other gateway is not connected"])]
)
def test_a_service_that_reports_nothing(
    config: ReplicationConfig, status: list[Status], up: bool, others: list[str]
) -> None:
    status[0] = Status(up, up, detached=True)
    assert problems(config) == [
        "the service of this gateway reports no expectations to it",
        *others,
    ]


def test_files(config: ReplicationConfig, status: list[Status]) -> None:
    config.key.chmod(0o644)
    (problem,) = problems(config)
    assert "other users may read it" in problem


@pytest.mark.parametrize("name", ["certificate", "peer_certificate"])
def test_a_certificate_that_expires(
    config: ReplicationConfig, status: list[Status], name: str, tmp_path: Path
) -> None:
    short = tmp_path / "short.crt"
    argv = ["openssl", "req", "-x509", "-key", config.key, "-days", "29", "-subj", "/CN=a"]
    subprocess.run([*argv, "-out", short], check=True, capture_output=True)
    expiring = (
        replace(config, certificate=short)
        if name == "certificate"
        else replace(config, peer_certificate=short)
    )
    assert problems(expiring) == [f"the certificate {short} expires within 30 days"]


def test_without_openssl_nothing_is_said(
    config: ReplicationConfig, status: list[Status], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert problems(config) == []
