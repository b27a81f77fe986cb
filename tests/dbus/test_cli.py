"""The commands that speak with the service."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest
from message_bus import MessageBus, Program, Starter

from fwhelpers.cli.main import main

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="without polkit only root may")


@pytest.fixture(autouse=True)
def _on_this_bus(bus: MessageBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)


class Said:
    """What a command printed."""

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
def test_status(capsys: Capsys) -> None:
    said = Said(capsys, "status")
    assert said.status == 3  # a helper has a problem
    assert said.out == (
        "fwhelpers 9: running, steering by rules, fail open\n\n"
        "HELPER  L4   PORTS    COUNTERS\n"
        "ftp     tcp  21,2121  expected 3, refused 1\n\n"
        "WORKER  STATE  PID  RESTARTS  PACKETS  OVERFLOWS\n"
        "1000    ready  77   0         5        0\n"
        "problem: rpc: no\n"
    )
    found = Said(capsys, "status", "--json").json
    assert [helper["name"] for helper in found["helpers"]] == ["ftp"]
    assert found["workers"][0]["pid"] == 77


@ROOT_ONLY
def test_expectations(service: Program, capsys: Capsys) -> None:
    assert Said(capsys, "expectations").out == "nothing is expected\n"
    service.say(do="create", first=5, count=300)
    service.say(do="match", first=5)
    said = Said(capsys, "expectations")
    lines = said.out.splitlines()
    assert len(lines) == 301
    assert lines[0].split("  ")[0] == "HELPER"
    assert lines[1].split() == [
        *("ftp", "PORT", "tcp", "10.0.1.2:any", "→", "10.0.2.2:1029"), lines[1].split()[6], "s",
        *("10.0.1.2:40005", "→", "10.0.2.2:21", "10.0.1.2:50000", "→", "10.0.2.2:1029"),
    ]  # fmt: skip
    found = Said(capsys, "expectations", "--json", "--helper", "ftp").json
    assert len(found) == 300
    assert found[0]["connections"][0]["source_port"] == 50000
    assert Said(capsys, "expectations", "--json", "--helper", "rpc").json == []


@ROOT_ONLY
@pytest.mark.usefixtures("service")
def test_enable_and_disable(capsys: Capsys) -> None:
    said = Said(capsys, "enable", "--persist", "rpc")
    assert said.out == "rpc: enabled, kept in /file\n"
    said = Said(capsys, "disable", "ftp")
    assert said.out == "ftp: disabled until the next reload\n"
    assert Said(capsys, "disable", "rpc", "--json").json == [
        {"name": "rpc", "enabled": False, "persisted": ""}
    ]
    said = Said(capsys, "enable", "nosuch")
    assert (said.status, said.out) == (1, "")
    assert said.err.splitlines() == [
        "fwhelpers: error: there is no helper nosuch",
        "hint: `fwhelpers list` shows what is installed",
    ]


@ROOT_ONLY
@pytest.mark.usefixtures("service")
def test_reload_tells_what_is_wrong_with_the_files(capsys: Capsys) -> None:
    said = Said(capsys, "reload")
    assert said.status == 1
    assert said.err.splitlines()[0] == "fwhelpers: error: fwhelpers.toml: daemon.x: unknown key"


@pytest.mark.parametrize("command", [["status"], ["expectations"], ["enable", "x"], ["reload"]])
def test_without_the_service(command: list[str], bus: MessageBus, capsys: Capsys) -> None:
    said = Said(capsys, *command)
    assert (said.status, said.out) == (1, "")
    assert said.err == (
        "fwhelpers: error: the service does not run\nhint: start it: systemctl start fwhelpers\n"
    )
    bus.stop()
    said = Said(capsys, *command)
    assert said.status == 1
    assert said.err.startswith("fwhelpers: error: the service can't be asked: no message bus at ")


def test_not_authorized(start: Starter, service: Program, capsys: Capsys) -> None:
    start("polkit_fake.py", "{}", line="polkit is there")
    said = Said(capsys, "expectations")
    assert said.status == 1
    assert said.err.startswith("fwhelpers: error: you are not authorized: ")
    assert "hint: run as root, or let polkit allow it" in said.err


@pytest.mark.usefixtures("service")
def test_list_asks_the_service_unless_a_directory_is_named(capsys: Capsys, tmp_path: Any) -> None:
    enabled = [h["name"] for h in Said(capsys, "list", "--json").json["helpers"] if h["enabled"]]
    assert enabled == ["ftp"]
    (tmp_path / "fwhelpers.toml").write_text("[helpers.rpc]\n")
    said = Said(capsys, "list", "--json", "--config", str(tmp_path))
    assert [h["name"] for h in said.json["helpers"] if h["enabled"]] == ["rpc"]


@ROOT_ONLY
@pytest.mark.parametrize("as_json", [False, True])
def test_monitor(service: Program, bus: MessageBus, as_json: bool) -> None:
    import sys

    arguments = ["--json"] if as_json else []
    # a shell that started the tests in the background had them ignore it
    command = [
        "env",
        "--default-signal=INT",
        sys.executable,
        "-m",
        "fwhelpers",
        "monitor",
        *arguments,
    ]
    told = Program(*command, env=bus.env)
    try:
        while service.say(do="state")["readers"] == 0:
            pass
        service.say(do="create", first=5, count=1)
        service.say(do="match", first=5)
        service.say(do="refuse")
        service.say(do="lose")
        told.wait_line("some events were lost")
        if as_json:
            events = [json.loads(line) for line in told.lines if line.startswith("{")]
            assert [one["event"] for one in events] == ["created", "matched", "refused", "lost"]
            assert events[1]["connection"]["source_port"] == 50000
        else:
            assert told.lines[:3] == [
                "created   ftp: PORT tcp 10.0.1.2:any → 10.0.2.2:1029 for 60 s by 10.0.1.2:40005 → 10.0.2.2:21",
                "matched   ftp: PORT tcp 10.0.1.2:50000 → 10.0.2.2:1029 by 10.0.1.2:40005 → 10.0.2.2:21",
                "refused   ftp: PORT 10.0.1.2:22: below 1024 (G6); 10.0.1.2:40000 → 10.0.2.2:21",
            ]
        told.process.send_signal(signal.SIGINT)
        assert told.process.wait(60) == 0
    finally:
        told.end()


@ROOT_ONLY
def test_monitor_tells_when_the_service_goes(service: Program, bus: MessageBus) -> None:
    import sys

    told = Program(sys.executable, "-m", "fwhelpers", "monitor", env=bus.env)
    try:
        while service.say(do="state")["readers"] == 0:
            pass
        service.process.kill()
        told.wait_line("fwhelpers: error: the service has gone")
        assert told.process.wait(60) == 1
    finally:
        told.end()
