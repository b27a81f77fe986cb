"""The script of docs/gateways.md that keepalived runs, with programs that only write down how they are called."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

NOTIFY = Path(__file__).parents[2] / "docs/examples/gateways/notify"
_RECORD = '#!/bin/sh\necho "{name} $*" >> {calls}\n{more}\n'


class Machine:
    """A folder of programs, and the state that the script has in /run."""

    def __init__(self, folder: Path) -> None:
        self.programs, self.calls, self.run = folder / "bin", folder / "calls", folder / "run"
        self.programs.mkdir()
        self.run.mkdir()
        self.calls.touch()
        self.script = folder / "notify"
        self.script.write_text(NOTIFY.read_text().replace("/run/", f"{self.run}/"))
        for name in ("conntrackd", "conntrack", "fwhelpers", "logger", "flock"):
            self.program(name)
        self.program("fwhelpers", "echo takeover: 1 lost; exit 1")
        self.program("logger", f"cat > {folder}/journal")
        self.program("flock", f'exec {shutil.which("flock")} "$@"')
        self.journal = folder / "journal"

    def program(self, name: str, more: str = "") -> None:
        path = self.programs / name
        path.write_text(_RECORD.format(name=name, calls=self.calls, more=more))
        path.chmod(0o755)

    def start(self, state: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        argv = ["sh", str(self.script), "GROUP", "gateway", state, "50"]
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "CONNTRACKD_CONF": "conf"}
        return subprocess.Popen(argv, env=env, stdout=stdout, stderr=subprocess.DEVNULL, text=True)

    def change(self, *states: str) -> list[str]:
        """Run the script for one state after the other; return what the last one called."""
        for state in states:
            self.calls.write_text("")
            self.start(state).wait(60)
        return self.called()

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    if shutil.which("flock") is None:
        pytest.skip("flock is not installed")
    return Machine(tmp_path)


def wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


FLUSH = "conntrackd -C conf -F expect"


@pytest.mark.parametrize("before", ["BACKUP", "FAULT", "STOP"])
def test_expectations_from_before_the_standby_are_flushed_once(
    machine: Machine, before: str
) -> None:
    called = machine.change(before, "MASTER")
    assert called.index(FLUSH) < called.index("conntrackd -C conf -c expect")
    assert "conntrack -F expect" not in called
    assert FLUSH not in machine.change("MASTER")


def test_after_a_boot_nothing_is_flushed(machine: Machine) -> None:
    assert FLUSH not in machine.change("MASTER")


def test_they_are_flushed_while_conntrackd_does_not_run(machine: Machine) -> None:
    machine.program("conntrackd", "exit 1")
    called = machine.change("BACKUP", "MASTER")
    assert "conntrack -F expect" in called
    assert any(call.startswith("fwhelpers takeover") for call in called)


def test_keepalived_starts_the_next_one_before_the_first_has_ended(
    machine: Machine, tmp_path: Path
) -> None:
    """Otherwise a standby's empty caches are filled again by what the active one still sends."""
    os.mkfifo(tmp_path / "go")
    machine.program("conntrackd", f'[ "$3 $4" != "-c ct" ] || cat {tmp_path}/go')
    master = machine.start("MASTER")
    wait(lambda: "conntrackd -C conf -c ct" in machine.called())
    backup = machine.start("BACKUP")
    wait(lambda: len([c for c in machine.called() if c.startswith("flock ") or " -t" in c]) == 2)
    (tmp_path / "go").write_text("")
    assert (master.wait(60), backup.wait(60)) == (0, 0)
    called = machine.called()
    assert called.index("conntrackd -C conf -B") < called.index("conntrackd -C conf -t")
    assert (machine.run / "fwhelpers-standby").exists()


def test_what_is_printed_is_logged(machine: Machine) -> None:
    machine.change("MASTER")
    assert machine.journal.read_text() == "takeover: 1 lost\n"
    script = machine.start("MASTER", stdout=subprocess.PIPE)
    assert script.communicate(timeout=60)[0] == "takeover: 1 lost\n"
