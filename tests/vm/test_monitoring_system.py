"""Cockpit, the timer of the textfile collector, and the exporter under systemd, as the packages install them.

There is no browser: tests/cockpit has one. Here cockpit_session.py sends what the page's script sends, through the real
cockpit.socket, PAM and the bridge (docs/decisions/0099-cockpit-in-the-lab-without-a-browser.md).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lab import image
from lab.clients import curl_command
from lab.process import Process, run, wait_until
from lab.servers import start_ftp
from lab.service import UNIT, boot, wait_logged
from lab.system import System
from lab.topology import Lab

from fwhelpers.dbus import names

CONFIG = "[daemon]\nworkers = 1\n[helpers.ftp]\n"
EXPORTER, TIMER = "fwhelpers-exporter.service", "fwhelpers-metrics.timer"
SESSION = Path(__file__).parents[1] / "support/programs/cockpit_session.py"
COCKPIT, METRICS = "127.0.0.1:9090", "http://127.0.0.1:9925/metrics"
SOCKET = "/run/fwhelpers-exporter/socket"
COLLECTOR = "/var/lib/prometheus/node-exporter"
PASSWORD = "correct horse"
UP = "\nfwhelpers_up 1.0\n"
SLOW = "[Service]\nTimeoutStartSec=300\n"  # emulated, everything takes longer
USED = r'"connections": \{"t": "aa\{sv\}", "v": \[\{'  #: in the text of an expectation
RULE = f"""
polkit.addRule(function(action, subject) {{
    if (action.id == "{names.DETAILS}" && subject.user == "alice") return polkit.Result.YES;
}});
"""


def prepare(system: System) -> None:
    """Configure what packages of others and the administrator would have."""
    page = next(image.BUILD.parents[1].glob("build/packages/cockpit-fwhelpers_*.deb"))
    run(["dpkg", "-x", str(page), str(system.root)])
    collector = system.path(COLLECTOR)
    collector.mkdir(parents=True)
    collector.chmod(0o755)
    run(["chown", "daemon", str(collector)])  # the exporter's user, not root
    system.write("/etc/polkit-1/rules.d/50-alice.rules", RULE)
    system.write("/etc/systemd/system/fwhelpers-metrics.service.d/lab.conf", SLOW)


def log_in(lab: Lab, password: str) -> Process:
    return lab.popen("g", sys.executable, str(SESSION), COCKPIT, "alice", password, name="session")


def answer(session: Process, name: str, text: str = "") -> Any:
    """Wait for an answer with this text."""
    line = session.wait_line(rf'^\["{name}", .*{text}').string
    return json.loads(line)[1]


def fetch(system: System, *options: str) -> str:
    """Return the exporter's reply to a user without rights; empty without one."""
    become = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
    curl = ("curl", "--silent", "--fail", "--max-time", "60", *options, METRICS)
    return system.run(*become, *curl, check=False).stdout


def rights(system: System, unit: str) -> dict[str, str]:
    """Return what the kernel says of the rights of a unit's process."""
    pid = system.systemctl("show", "--property=MainPID", "--value", unit).stdout.strip()
    lines = system.run("cat", f"/proc/{pid}/status").stdout.splitlines()
    fields = dict(line.split(":\t", 1) for line in lines)
    return {name: fields[name].split()[0] for name in ("Uid", "CapPrm", "CapBnd", "NoNewPrivs")}


def check_session(lab: Lab, system: System) -> None:
    system.run("useradd", "--create-home", "alice")
    system.run("chpasswd", input=f"alice:{PASSWORD}\n")
    system.start("systemd-user-sessions.service")  # without it PAM admits root alone
    system.start("cockpit.socket")
    assert answer(log_in(lab, "wrong"), "login") == 401
    session = log_in(lab, PASSWORD)
    assert answer(session, "login") == 200
    label = json.loads(answer(session, "manifests.json"))["fwhelpers"]["menu"]["index"]["label"]
    assert label == "Connection helpers"
    assert "fwhelpers.js" in answer(session, "fwhelpers/index.html")
    assert names.NAME in answer(session, "fwhelpers/fwhelpers.js")
    (helpers,) = answer(session, "helpers")[0]
    assert [h["name"]["v"] for h in helpers if h["enabled"]["v"]] == ["ftp"]
    assert "not authorized" in str(answer(session, "enable"))
    lab.run("s", "sh", "-c", "head -c 1000000 /dev/zero >/srv/ftp/pub/big")
    slow = curl_command(lab, "EPSV", 4, "pub/big", "--limit-rate", "100", timeout=900)
    lab.popen("c", *slow, name="slow")  # its connection is there as long as the lab
    expectations, _ = answer(session, "expectations", USED)[0]
    assert [e["announcement"]["v"] for e in expectations] == ["EPSV"]
    assert expectations[0]["destination"]["v"] == "10.0.2.2"


def next_run(system: System) -> str:
    return system.systemctl(
        "show", "--property=NextElapseUSecMonotonic", "--value", TIMER
    ).stdout.strip()


def check_textfile(system: System) -> None:
    system.start(TIMER)
    file = system.path(f"{COLLECTOR}/fwhelpers.prom")
    wait_until(lambda: file.exists() and UP in file.read_text(), "the timer's file")
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    wait_until(lambda: next_run(system) != "infinity", "the timer's next run")


def check_exporter(system: System) -> None:
    system.start(EXPORTER)
    accept = ("--header", "Accept: application/openmetrics-text")
    wait_until(lambda: UP in fetch(system, *accept), "metrics over HTTP")
    text = fetch(system, *accept)
    assert 'fwhelpers_helper_enabled{helper="ftp"} 1.0\n' in text
    assert "10.0." not in text
    assert text.endswith("# EOF\n")
    nothing = "0" * 16
    uid = system.run("id", "-u", "fwhelpers-exporter").stdout.strip()
    assert rights(system, EXPORTER) == {
        "Uid": uid, "CapPrm": nothing, "CapBnd": nothing, "NoNewPrivs": "1",
    }  # fmt: skip

    drop_in = f"[Service]\nEnvironment=LISTEN=unix:{SOCKET}\n"
    system.write(f"/etc/systemd/system/{EXPORTER}.d/socket.conf", drop_in)
    system.systemctl("daemon-reload")
    system.systemctl("restart", EXPORTER)
    wait_until(lambda: UP in fetch(system, "--unix-socket", SOCKET), "metrics at the socket")
    assert fetch(system) == ""


def test_cockpit_and_metrics(lab: Lab, system: System) -> None:
    start_ftp(lab)
    prepare(system)
    boot(system, CONFIG)
    system.start("polkit.service")
    system.start(UNIT)
    wait_logged(system, "on D-Bus as")
    check_session(lab, system)
    check_textfile(system)
    check_exporter(system)
