"""The service under systemd, on the system's own bus, with the real polkit: who may what."""

from __future__ import annotations

import json
from subprocess import CompletedProcess
from typing import Any

from lab.process import wait_until
from lab.service import UNIT, boot, main_pid, wait_logged
from lab.system import System

from fwhelpers.dbus import names

CONFIG = "[daemon]\nworkers = 1\n[helpers.ftp]\n"
COMMAND = ("/usr/bin/python3", "-I", "-m", "fwhelpers")
RULE = f"""
polkit.addRule(function(action, subject) {{
    if (action.id == "{names.DETAILS}" && subject.user == "alice") return polkit.Result.YES;
}});
"""


class Person:
    """Somebody on the system's command line, without a terminal."""

    def __init__(self, system: System, name: str) -> None:
        self._system = system
        self._become = ("setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups")

    def says(self, *arguments: str) -> CompletedProcess[str]:
        return self._system.run(*self._become, *COMMAND, *arguments, check=False)

    def calls(self, member: str, *arguments: str) -> CompletedProcess[str]:
        call = ("busctl", "call", names.NAME, names.PATH, names.MANAGER, member)
        return self._system.run(*self._become, *call, *arguments, check=False)


def refused(done: CompletedProcess[str]) -> bool:
    assert "Traceback" not in done.stderr
    return done.returncode == 1 and "error: this user may not " in done.stderr


def parsed(done: CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_who_may_what(system: System) -> None:
    boot(system, CONFIG)
    system.run("useradd", "--no-create-home", "alice")
    system.start("polkit.service")
    system.systemctl("enable", UNIT)
    system.start(UNIT)
    wait_logged(system, "on D-Bus as")
    alice, root = Person(system, "alice"), Person(system, "root")

    assert [h["name"] for h in parsed(alice.says("status", "--json"))["helpers"]] == ["ftp"]
    assert "ftp" in alice.calls("GetCounters").stdout
    for command in (["expectations"], ["enable", "rpc"], ["disable", "ftp"], ["reload"]):
        assert refused(alice.says(*command)), command
    # busctl allows a password dialogue, but nobody is there to show one
    assert f"not authorized: {names.DETAILS}" in alice.calls("GetRuleset").stderr

    system.write("/etc/polkit-1/rules.d/50-alice.rules", RULE)
    wait_until(
        lambda: alice.says("expectations").returncode == 0, "polkit to read its new rule", 120
    )
    assert "chain steer" in alice.calls("GetRuleset").stdout
    assert refused(alice.says("enable", "rpc"))

    answer = parsed(root.says("enable", "rpc", "--persist", "--json"))
    assert answer[0]["drop_in"] == "/etc/fwhelpers/conf.d/zz-enabled.toml"
    system.systemctl("restart", UNIT)
    wait_until(
        lambda: len(parsed(root.says("status", "--json"))["helpers"]) == 2, "the restart", 120
    )

    system.systemctl("stop", UNIT)
    assert main_pid(system) == 0
    assert root.says("status").returncode == 1  # which does not start it
    assert main_pid(system) == 0
    # D-Bus activation does; the bus itself gives up after 25 seconds, which may be too few here
    wait_until(lambda: "rpc" in alice.calls("GetCounters").stdout, "the bus to start it", 180)
    assert main_pid(system) != 0

    system.systemctl("stop", "polkit.service")
    system.systemctl("mask", "--runtime", "polkit.service")
    assert parsed(root.says("expectations", "--json")) == []
    denied = alice.says("expectations")
    assert denied.returncode == 1
    assert "error: this user may not list expectations: polkit " in denied.stderr
