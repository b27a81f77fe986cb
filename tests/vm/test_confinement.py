"""What a parser that is taken over can do beyond its own flows: nothing, and its trying harms no traffic."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

from escape_plugin import ATTEMPTS
from lab import PROGRAMS
from lab.clients import download
from lab.process import Process, wait_until
from lab.servers import start_ftp
from lab.topology import FWHELPERS, Lab

CONFIG = "[daemon]\nworkers = 2\n[helpers.ftp]\n[helpers.escape]\n"
ONE_WORKER = "[daemon]\nworkers = 1\n"
WITHOUT = ONE_WORKER + 'block_plugins = ["escape"]\n[helpers.ftp]\n'
WITH = ONE_WORKER + "[helpers.ftp]\n[helpers.escape]\n"
PEERS = str(PROGRAMS / "peers.py")
ECHO = (sys.executable, str(PROGRAMS / "tcp_echo.py"))


def start(lab: Lab, config: str = CONFIG) -> Process:
    """The daemon, with the plugin beside the built-in ones."""
    site = lab.namespaces["g"].path("/run/lab/site")
    described = site / "escape-1.dist-info"
    described.mkdir(parents=True)
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: escape\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[fwhelpers.plugins]\nescape = escape_plugin\n")
    plugin = (PROGRAMS / "escape_plugin.py").read_text()
    (site / "escape_plugin.py").write_text(plugin)
    folders = ["/run/lab/site", *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": ":".join(folders)}
    argv = (*FWHELPERS, "run", "--config", lab.config(config))
    daemon = lab.popen("g", *argv, name="fwhelpers", env=environment)
    daemon.wait_line("^fwhelpers: ready")
    return daemon


def children(daemon: Process) -> list[str]:
    """The workers' process ids."""
    return Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split()


def failures(lab: Lab) -> int:
    """How often the plugin failed, as the service counts it."""
    counted = json.loads(lab.fwhelpers("counters", "--json").stdout)["helpers"]
    return int(counted.get("escape", {}).get("failed", 0))


def test_every_attempt_is_denied_told_and_harms_nobody(lab: Lab) -> None:
    start_ftp(lab)
    lab.open("tcp", 7000)
    lab.popen("s", *ECHO, "serve", name="echo").wait_line("listening")
    daemon = start(lab)
    before = children(daemon)
    assert len(before) == 2
    assert not [line for line in daemon.lines if "sandbox incomplete" in line]
    for attempt in ATTEMPTS:
        victim = before[0]
        output = lab.run("c", *ECHO, "send", f"{attempt} {victim}", "open again").stdout
        assert output == f"got {attempt} {victim}\ngot open again\n"
    # each is counted; the log tells the first few of one client's, and then how many more
    wait_until(lambda: failures(lab) == len(ATTEMPTS), "each attempt to have failed")
    failed_lines = [line for line in daemon.lines if "escape: " in line and "failed: " in line]
    assert failed_lines
    why = r"failed: (PermissionError|ModuleNotFoundError|OSError|BlockingIOError)"
    assert [line for line in failed_lines if not re.search(why, line)] == []
    assert not lab.namespaces["g"].path("/run/lab/escaped").exists()
    assert children(daemon) == before, "no worker died of it"
    assert download(lab, "EPSV", 4).returncode == 0


def test_both_come_down_when_started_by_root(lab: Lab) -> None:
    daemon = lab.start_fwhelpers("[daemon]\nworkers = 1\n[helpers.ftp]\n")
    (worker,) = children(daemon)
    for pid in (daemon.pid, int(worker)):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        status_fields = dict(line.split(":\t", 1) for line in lines)
        assert {status_fields[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {
            "0000000000001000"
        }
        assert status_fields["NoNewPrivs"] == "1"
    assert status_fields["Seccomp_filters"] == "1"
    assert status_fields["CapAmb"] == status_fields["CapInh"] == "0000000000000000"


def test_another_plugin_takes_another_worker_and_no_flow_is_lost(lab: Lab) -> None:
    server = lab.popen("s", sys.executable, PEERS, "slow_ftp", "/run/lab/go", "40001", name="ftpd")
    server.wait_line("listening")
    daemon = start(lab, WITHOUT)
    before = children(daemon)
    client = lab.popen(
        "c", sys.executable, PEERS, "ftp_client", "10.0.2.2", "USER ftp;pasv", name="ftp"
    )
    server.wait_line("got PASV")
    lab.config(WITH)
    daemon.signal(signal.SIGHUP)
    daemon.wait_line("^fwhelpers: reloaded: .*escape")
    assert len(children(daemon)) == 1
    assert children(daemon) != before
    assert not [line for line in daemon.lines if "restarting it" in line]
    lab.namespaces["s"].path("/run/lab/go").touch()
    client.wait_line("^data connected")
