"""Each command that talks to a service over D-Bus, and each way in which that can fail."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from message_bus import PATIENCE, MessageBus, Program, Starter

from fwhelpers.cli import bus_errors
from fwhelpers.cli.main import main
from fwhelpers.dbus import names
from fwhelpers.dbus.errors import NO_REPLY

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="without polkit only root is authorized")
FIREWALLD = "org.fedoraproject.FirewallD1"
ERROR = "org.freedesktop.DBus.Error."

COMMANDS = [
    ["status"], ["expectations"], ["monitor"], ["enable", "rpc"], ["disable", "ftp"], ["reload"],
]  # fmt: skip
#: those that have more to say than the service's reply
OTHERS = [["explain", "10.0.1.2", "10.0.2.2", "1029"], ["list"], ["metrics"]]

#: error name, text, and what the user reads instead
FAILURES = {
    "denied": (names.NOT_AUTHORIZED, f"not authorized: {names.DETAILS}", "this user may not "),
    "challenge": (
        names.NOT_AUTHORIZED,
        f"{names.DETAILS} requires authentication, but the call forbids interaction",
        "this user may not ",
    ),
    "policy": (
        names.ACCESS_DENIED,
        'Rejected send message, 2 matched rules; type="method_call", sender=":1.7" (uid=1000)',
        "the policy of the message bus denies access to the service",
    ),
    "silent": (NO_REPLY, "Message recipient disconnected without replying", "did not reply to "),
    "old": (names.UNKNOWN_METHOD, "no such method", "is of another version: it does not "),
    "old options": (
        names.INVALID_ARGS,
        "unknown option 'limit'",
        "is of another version: it does not ",
    ),
    "bug": (names.FAILED, "internal error, see the service's log", "failed to carry out "),
    "odd": (f"{ERROR}NoMemory", "no\nmemory \x1b[2J", "replied to "),
    "odd without text": (f"{ERROR}NoMemory", "", "with an unexpected error: "),
    "missing keys": ("-", "", "is of another version: it does not "),
    "crash": ("exit", "", "did not reply to "),
}

Capsys = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def private_bus(bus: MessageBus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
    monkeypatch.setattr(bus_errors, "RUNTIME", tmp_path)


def check_text(text: str) -> None:
    """No traceback, no control sequence, and no name of an error in the place of an explanation."""
    assert "Traceback" not in text
    assert "internal error: " not in text.replace("failed to carry out", "")
    assert all(line.isprintable() for line in text.splitlines())
    for raw in ("not authorized: ", "requires authentication", "Rejected send message"):
        assert raw not in text
    assert not re.search(rf"error: {re.escape(ERROR)}", text.replace("unexpected error: ", ""))


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_one_line_says_what_failed_and_what_to_do(
    start: Starter, capsys: Capsys, command: list[str], failure: str
) -> None:
    name, reply, expected = FAILURES[failure]
    start("erring_service.py", names.NAME, name, reply, line="on the bus")
    if name == "-" and command[0] in ("expectations", "monitor"):
        pytest.skip("these read no key of an empty reply")
    assert main(command) == 1
    out, err = capsys.readouterr()
    assert out == ""
    check_text(err)
    error, hint = err.splitlines()
    assert error.startswith("fwhelpers: error: ")
    assert expected in error
    assert re.match(r"hint: (run as root|see its log|restart it|`fwhelpers )", hint)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("command", OTHERS, ids=" ".join)
def test_commands_with_other_sources_say_what_is_missing(
    start: Starter, capsys: Capsys, command: list[str], failure: str
) -> None:
    name, reply, expected = FAILURES[failure]
    start("erring_service.py", names.NAME, name, reply, line="on the bus")
    assert main(command) in (0, 3, 4)
    out, err = capsys.readouterr()
    check_text(out + err)
    assert expected in out + err
    if command[0] == "metrics":
        assert "\nfwhelpers_up 0.0\n" in out


@pytest.mark.parametrize("failure", ["policy", "silent", "odd", "odd without text", "crash"])
def test_the_errors_of_firewalld_are_explained_as_well(
    bus: MessageBus, capsys: Capsys, failure: str, tmp_path: Path
) -> None:
    name, reply, _ = FAILURES[failure]
    bus.allow_name(FIREWALLD)
    program = Path(__file__).parents[1] / "support/programs/erring_service.py"
    argv = (sys.executable, str(program), bus.address, FIREWALLD, name, reply)
    firewalld = Program(*argv, env=bus.env)
    try:
        firewalld.wait_line("on the bus")
        assert main(["zones", "--config", str(tmp_path)]) == 1
    finally:
        firewalld.end()
    out, err = capsys.readouterr()
    assert out == ""
    check_text(err)
    error, hint = err.splitlines()
    assert error.startswith("fwhelpers: error: firewalld ")
    assert hint in ("hint: run as root", "hint: see its log: journalctl -u firewalld")


def test_each_denial_names_its_action(start: Starter, service: Program, capsys: Capsys) -> None:
    start("polkit_fake.py", "{}", line="polkit is there")
    service.command(do="create", first=5, count=1)
    actions = {
        "expectations": names.DETAILS, "monitor": names.DETAILS, "enable": names.MANAGE,
        "disable": names.MANAGE, "reload": names.RELOAD,
    }  # fmt: skip
    for command in COMMANDS[1:]:
        assert main(command) == 1
        err = capsys.readouterr().err
        check_text(err)
        assert err.splitlines()[1] == (
            f"hint: run as root, or add a polkit rule that allows {actions[command[0]]}"
        )
    main(["explain", "10.0.1.2", "10.0.2.2", "1029"])
    out = capsys.readouterr().out
    check_text(out)
    assert "not queried: refusals: this user may not list refusals (run as root, or " in out


@ROOT_ONLY
def test_monitor_ends_when_nobody_reads(bus: MessageBus, service: Program) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "fwhelpers", "monitor", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **bus.env},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        while service.command(do="state")["readers"] == 0:
            assert process.poll() is None
        service.command(do="create", first=5, count=1)
        assert json.loads(process.stdout.readline())["event"] == "created"
        process.stdout.close()
        service.command(do="create", first=6, count=1)
        assert process.wait(PATIENCE) == 128 + signal.SIGPIPE
        assert process.stderr is not None
        assert process.stderr.read() == ""
        process.stderr.close()
    finally:
        process.kill()
        process.wait()
