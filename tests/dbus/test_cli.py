"""The commands that talk to the service."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from message_bus import MessageBus, Program, Starter

from fwhelpers.cli import bus_errors
from fwhelpers.cli.event_printer import EventPrinter
from fwhelpers.cli.main import main
from fwhelpers.cli.status import describe_refusal
from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Message

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="without polkit only root is authorized")


@pytest.fixture(autouse=True)
def private_bus(bus: MessageBus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
    monkeypatch.setattr(bus_errors, "RUNTIME", tmp_path)


class Output:
    """The exit status and output of a command."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        capsys.readouterr()
        self.status = main(arguments)
        self.out, self.err = capsys.readouterr()
        assert "Traceback" not in self.err

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Capsys = pytest.CaptureFixture[str]


@pytest.mark.usefixtures("service")
def test_status_shows_helpers_workers_and_problems(capsys: Capsys) -> None:
    output = Output(capsys, "status")
    assert output.status == 3  # a helper has a problem
    assert output.out == (
        "fwhelpers 9: running, steering by rules, fail open\n\n"
        "HELPER  BACKEND  L4   PORTS    NEW/s  COUNTERS\n"
        "ftp     user     tcp  21,2121  0.25   expected 3, refused 1\n\n"
        "WORKER  STATE  PID  RESTARTS  PACKETS  OVERFLOWS  PACKETS/s  CPU\n"
        "1000    ready  77   0         5        0          12.5       3.0%\n"
        "problem: rpc: no\n"
    )
    state = Output(capsys, "status", "--json").json
    assert [helper["name"] for helper in state["helpers"]] == ["ftp"]
    assert state["workers"][0]["pid"] == 77


@ROOT_ONLY
def test_status_shows_the_last_refusals(service: Program, capsys: Capsys) -> None:
    assert Output(capsys, "status", "--json").json["refusals"] == []
    for _ in range(7):
        service.command(do="refuse")
    lines = Output(capsys, "status").out.splitlines()
    assert lines[-6] == "last refusals:"
    assert re.fullmatch(
        r"  \d\d:\d\d:\d\d ftp PORT 10\.0\.1\.2:22: below 1024 \(G6\); 10\.0\.1\.2:40000 → 10\.0\.2\.2:21",
        lines[-1],
    )
    refusals = Output(capsys, "status", "--json").json["refusals"]
    assert [values["rule"] for values in refusals] == ["G6"] * 5


def test_status_without_the_right_to_see_addresses(
    start: Starter, service: Program, capsys: Capsys
) -> None:
    start("polkit_fake.py", "{}", line="polkit is there")
    service.command(do="refuse")
    output = Output(capsys, "status")
    assert (output.status, output.err) == (3, "")
    assert output.out.endswith(
        "problem: rpc: no\n\n"
        "last refusals: for root, and for users whom polkit allows view-details\n"
    )
    assert Output(capsys, "status", "--json").json["refusals"] is None


def test_refusals_cannot_control_the_terminal() -> None:
    keys = ("helper", "announcement", "endpoint", "reason", "rule", "client", "server")
    line = describe_refusal({"time": 0.0, **dict.fromkeys(keys, "\x1b[2J\n\u202e")})
    assert line.isprintable()
    assert line.count("\\x1b[2J\\n\\u202e") == len(keys)


def test_events_cannot_control_the_terminal(capsys: Capsys) -> None:
    keys = ("helper", "announcement", "endpoint", "reason", "rule", "client", "server")
    values = dict.fromkeys(keys, "\x1b[2J\n\u202e")
    printer = EventPrinter(as_json=False)
    printer.on_signal(Message("", "", names.EXPECTATIONS, "Refused", "aa{sv}", ([values],)))
    printer.on_signal(Message("", "", names.EXPECTATIONS, "Abandoned", "aa{sv}", ([values],)))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == printer.printed == 2
    assert all(line.isprintable() for line in lines)


@ROOT_ONLY
def test_expectations_are_listed_completely(service: Program, capsys: Capsys) -> None:
    assert Output(capsys, "expectations").out == "no expectations\n"
    service.command(do="create", first=5, count=300)
    service.command(do="match", first=5)
    lines = Output(capsys, "expectations").out.splitlines()
    assert len(lines) == 301
    assert lines[0].split("  ")[0] == "HELPER"
    assert lines[1].split() == [
        *("ftp", "PORT", "tcp", "10.0.1.2:any", "→", "10.0.2.2:1029"), lines[1].split()[6], "s",
        *("10.0.1.2:40005", "→", "10.0.2.2:21", "10.0.1.2:50000", "→", "10.0.2.2:1029"),
    ]  # fmt: skip
    expectations = Output(capsys, "expectations", "--json", "--helper", "ftp").json
    assert len(expectations) == 300
    assert expectations[0]["connections"][0]["source_port"] == 50000
    assert Output(capsys, "expectations", "--json", "--helper", "rpc").json == []


@ROOT_ONLY
@pytest.mark.usefixtures("service")
def test_an_unknown_helper_gets_a_suggestion(capsys: Capsys) -> None:
    output = Output(capsys, "expectations", "--helper", "fpt")
    assert (output.status, output.out) == (1, "")
    assert output.err.splitlines() == [
        "fwhelpers: error: no expectations of 'fpt', and no helper of that name is installed",
        "hint: did you mean ftp?",
    ]
    output = Output(capsys, "enable", "rcp")
    assert (output.status, output.out) == (1, "")
    assert output.err.splitlines() == [
        "fwhelpers: error: no helper 'rcp'; did you mean rpc?",
        "hint: `fwhelpers list` shows the installed helpers",
    ]


@ROOT_ONLY
@pytest.mark.usefixtures("service")
def test_enable_and_disable(capsys: Capsys) -> None:
    assert Output(capsys, "enable", "--persist", "rpc").out == "rpc: enabled, saved in /file\n"
    assert Output(capsys, "disable", "ftp").out == "ftp: disabled until the next reload\n"
    assert Output(capsys, "disable", "rpc", "--json").json == [
        {"name": "rpc", "enabled": False, "drop_in": ""}
    ]


@ROOT_ONLY
@pytest.mark.usefixtures("service")
def test_reload_reports_errors_in_the_files(capsys: Capsys) -> None:
    output = Output(capsys, "reload")
    assert output.status == 1
    assert output.err.splitlines()[0] == "fwhelpers: error: fwhelpers.toml: daemon.x: unknown key"


COMMANDS = [["status"], ["expectations"], ["enable", "x"], ["reload"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_service_that_is_not_running_is_to_be_started(command: list[str], capsys: Capsys) -> None:
    output = Output(capsys, *command)
    assert (output.status, output.out) == (1, "")
    assert output.err == (
        "fwhelpers: error: the service is not running\nhint: start it: systemctl start fwhelpers\n"
    )


def test_a_service_that_is_running_but_not_on_the_bus_is_not_to_be_started(
    capsys: Capsys, tmp_path: Path
) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        output = Output(capsys, "status")
    assert output.err == (
        "fwhelpers: error: the service is running, but not on the message bus\n"
        "hint: see its log: journalctl -u fwhelpers\n"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_bus_the_hint_concerns_the_bus(
    command: list[str], bus: MessageBus, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus.stop()
    output = Output(capsys, *command)
    assert output.status == 1
    error, hint = output.err.splitlines()
    assert error.startswith("fwhelpers: error: cannot reach the service: no message bus at ")
    assert hint == f"hint: DBUS_SYSTEM_BUS_ADDRESS is set to {bus.address}; correct or unset it"
    monkeypatch.delenv("DBUS_SYSTEM_BUS_ADDRESS")
    monkeypatch.setattr("fwhelpers.dbus.address.SYSTEM_BUS", bus.address)
    hint = Output(capsys, *command).err.splitlines()[1]
    assert hint == "hint: start the system message bus: systemctl start dbus.socket"


def test_a_caller_that_is_not_authorized(start: Starter, service: Program, capsys: Capsys) -> None:
    start("polkit_fake.py", "{}", line="polkit is there")
    output = Output(capsys, "expectations")
    assert output.status == 1
    assert output.err.startswith("fwhelpers: error: this user may not list expectations\n")
    assert "hint: run as root, or add a polkit rule" in output.err


@pytest.mark.usefixtures("service")
def test_list_asks_the_service_unless_a_directory_is_named(capsys: Capsys, tmp_path: Path) -> None:
    helpers = Output(capsys, "list", "--json").json["helpers"]
    assert [helper["name"] for helper in helpers if helper["enabled"]] == ["ftp"]
    (tmp_path / "fwhelpers.toml").write_text("[helpers.rpc]\n")
    helpers = Output(capsys, "list", "--json", "--config", str(tmp_path)).json["helpers"]
    assert [helper["name"] for helper in helpers if helper["enabled"]] == ["rpc"]


def start_monitor(service: Program, bus: MessageBus, *arguments: str) -> Program:
    # a shell that started the tests in the background made them ignore SIGINT
    command = ("env", "--default-signal=INT", sys.executable, "-m", "fwhelpers", "monitor")
    program = Program(*command, *arguments, env=bus.env)
    while service.command(do="state")["readers"] == 0:
        assert program.process.poll() is None, program.lines
    return program


@ROOT_ONLY
@pytest.mark.parametrize("as_json", [False, True])
def test_monitor_prints_events(service: Program, bus: MessageBus, as_json: bool) -> None:
    program = start_monitor(service, bus, *(["--json"] if as_json else []))
    try:
        service.command(do="create", first=5, count=1)
        service.command(do="match", first=5)
        service.command(do="refuse")
        service.command(do="abandon")
        service.command(do="lose")
        program.wait_line("some events were lost")
        if as_json:
            events = [json.loads(line) for line in program.lines if line.startswith("{")]
            assert [event["event"] for event in events] == [
                "created", "matched", "refused", "abandoned", "lost",
            ]  # fmt: skip
            assert events[1]["connection"]["source_port"] == 50000
        else:
            assert program.lines[:4] == [
                "created   ftp: PORT tcp 10.0.1.2:any → 10.0.2.2:1029 for 60 s by 10.0.1.2:40005 → 10.0.2.2:21",
                "matched   ftp: PORT tcp 10.0.1.2:50000 → 10.0.2.2:1029 by 10.0.1.2:40005 → 10.0.2.2:21",
                "refused   ftp: PORT 10.0.1.2:22: below 1024 (G6); 10.0.1.2:40000 → 10.0.2.2:21",
                "abandoned ftp: 10.0.1.2:40000 → 10.0.2.2:21: begins with GET",
            ]
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(60) == 0
    finally:
        program.end()


@ROOT_ONLY
def test_monitor_reports_the_end_of_the_service(service: Program, bus: MessageBus) -> None:
    program = start_monitor(service, bus)
    try:
        service.process.kill()
        program.wait_line("fwhelpers: error: the service has stopped")
        assert program.process.wait(60) == 1
    finally:
        program.end()
