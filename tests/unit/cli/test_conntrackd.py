"""Answers of conntrackd 1.4.7, with other numbers."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fwhelpers.cli import conntrackd
from fwhelpers.cli.conntrackd import Link, Replication
from fwhelpers.cli.errors import CliError

ANSWER = """cache internal:
current active connections:\t          12
connections created:\t\t          40\tfailed:\t           0
connections updated:\t\t           7\tfailed:\t           0
connections destroyed:\t\t          28\tfailed:\t           0

cache external:
current active connections:\t           3
connections created:\t\t          40\tfailed:\t           2
connections updated:\t\t           7\tfailed:\t           0
connections destroyed:\t\t          28\tfailed:\t           1

traffic processed:
                  50 Bytes                        60 Pckts

UDP traffic (active device=sync):
                  24 Bytes sent                   32 Bytes recv
                   2 Pckts sent                    5 Pckts recv
                   1 Error send                    2 Error recv

message tracking:
                   4 Malformed msgs                    6 Lost msgs

"""
NO_CACHES = """internal bypass:
connections new:\t\t           0

external inject:
connections created:\t\t           0\tfailed:\t           0
"""


def test_what_is_replicated() -> None:
    assert conntrackd.replication(ANSWER) == Replication(12, 3, 3)
    assert conntrackd.replication(NO_CACHES) is None


def test_the_link() -> None:
    assert conntrackd.link(ANSWER) == Link(5, 6, 7)


def test_unacknowledged_messages() -> None:
    assert conntrackd.unacknowledged("resent queue (len=31)\n...") == 31
    assert conntrackd.unacknowledged("") == 0


def counting(*received: int) -> Callable[[], str]:
    answers = iter(received)
    return lambda: f"1 Pckts sent {next(answers)} Pckts recv"


def test_the_other_gateway_is_heard_with_its_next_message() -> None:
    assert conntrackd.hears(counting(5, 6), seconds=60)


def test_a_silent_gateway() -> None:
    assert not conntrackd.hears(counting(5, 5), seconds=-1)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Installs a script as the only conntrackd."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def install(script: str) -> None:
        path = tmp_path / "conntrackd"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return install


def test_the_command(program: Callable[[str], None]) -> None:
    program('echo "$*"')
    assert conntrackd.query(Path("/x"), "expect") == "-C /x -s expect\n"


def test_errors(program: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    program("exit 1")
    with pytest.raises(CliError, match="does not answer"):
        conntrackd.query(Path("/x"))
    program("exec sleep 60")
    monkeypatch.setattr(conntrackd, "TIMEOUT", 0.01)
    with pytest.raises(CliError, match="did not answer within"):
        conntrackd.query(Path("/x"))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CliError, match="not installed"):
        conntrackd.query(Path("/x"))
