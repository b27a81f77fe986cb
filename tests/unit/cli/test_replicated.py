"""The question to the replication process, for a take-over."""

from __future__ import annotations

from pathlib import Path

import pytest
from replicated import expectation, live

from fwhelpers.cli import replicated as module
from fwhelpers.config import Config, ReplicationConfig
from fwhelpers.config.validators import SocketAddress
from fwhelpers.engine.registry import NO_ACCOUNT, Account
from fwhelpers.replication.local_table import Answer
from fwhelpers.replication.records import Status

FILE = Path("/nowhere")
CONFIGURED = Config(
    replication=ReplicationConfig(
        SocketAddress("10.0.9.1", 1), SocketAddress("10.0.9.2", 1), FILE, FILE, FILE
    )
)


def test_the_records_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask(path: Path, mark: bool, timeout: float) -> Answer:
        asked.append((path.name, mark, timeout))
        return Answer(Status(), [live(), live(2, 5001)._replace(account=None, taken=True)])

    monkeypatch.setattr(module, "ask", ask)
    first, second = module.replicated(Config())
    assert (first.expectation.tuple, first.remaining) == (expectation().tuple, 60.0)
    assert first.account == Account("fw-ftp", expectation().master.src)
    assert (second.account, second.taken) == (NO_ACCOUNT, True)
    assert asked == [("table", True, 3.0)]


@pytest.mark.parametrize("error", [FileNotFoundError(2, "No such file"), ValueError("nonsense")])
@pytest.mark.parametrize("config", [Config(), CONFIGURED])
def test_no_process_is_worth_a_warning_where_it_is_configured(
    config: Config, error: Exception, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def ask(path: Path, mark: bool, timeout: float) -> Answer:
        raise error

    monkeypatch.setattr(module, "ask", ask)
    assert module.replicated(config) == []
    assert ("nothing is known of the other gateway" in capsys.readouterr().err) == bool(
        config.replication
    )
