"""`fwhelpers-replication.service` under systemd, as the packages install it; the other gateway is a process on s."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from gateways_pair import make_certificate
from lab import PROGRAMS
from lab.process import wait_until
from lab.servers import start_ftp
from lab.service import UNIT, boot
from lab.system import System
from lab.topology import FWHELPERS, Lab
from test_monitoring_system import rights
from test_replication import CONFIG

REPLICATION = "fwhelpers-replication.service"
FOLDER = "/etc/fwhelpers/replication"
GATEWAY, PEER = "10.0.2.1", "10.0.2.2"
PEERS_FOLDER = "/run/lab/fwhelpers"
# everything takes longer under emulation
SLOW = "[Service]\nTimeoutStartSec=300\n"


def test_the_service(lab: Lab, system: System, tmp_path: Path) -> None:
    start_ftp(lab, [4])
    install(lab, system, tmp_path)
    own = CONFIG.format(own=GATEWAY, peer=PEER, folder=FOLDER)
    boot(system, f"[daemon]\nworkers = 1\n[helpers.ftp]\n{own}")
    system.run("chgrp", "-R", "fwhelpers", FOLDER)
    system.start(UNIT)
    system.start(REPLICATION)
    other = CONFIG.format(own=PEER, peer=GATEWAY, folder=PEERS_FOLDER)
    lab.run("s", "mkdir", "-p", "/run/fwhelpers-replication")
    peer = lab.popen("s", *FWHELPERS, "replicate", "--config", lab.config(other, "s"))
    peer.wait_line("^fwhelpers: replicating")

    client = lab.popen(
        "c", sys.executable, str(PROGRAMS / "peers.py"), "fetch", PEER, "/run/lab/never"
    )
    client.wait_line("^< 227")
    wait_until(lambda: state_of_peer(lab).get("received") == 1, "the expectation at the peer")
    # root asks, from outside of the unit's user namespace
    state = json.loads(system.run("fwhelpers", "cluster", "status", "--json", check=False).stdout)
    assert state["replication"]["error"] == ""
    assert state["replication"]["connected"] is True
    assert state["replication"]["confirmed"] == 1
    uid = system.run("id", "-u", "fwhelpers").stdout.strip()
    nothing = "0" * 16
    assert rights(system, REPLICATION) == {
        "Uid": uid, "CapPrm": nothing, "CapBnd": nothing, "NoNewPrivs": "1",
    }  # fmt: skip
    system.systemctl("restart", UNIT)
    wait_until(lambda: state_of_peer(lab).get("connected") is True, "a connection after a restart")


def install(lab: Lab, system: System, certificates: Path) -> None:
    """Make the certificates, and put them in place on both."""
    for name in ("gateway", "peer"):
        make_certificate(certificates / name)
    places = {
        "gateway": (system.path(FOLDER), "peer"),
        "peer": (lab.namespaces["s"].path(PEERS_FOLDER), "gateway"),
    }
    for name, (folder, other) in places.items():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o750)
        for file in ("own.crt", "own.key"):
            shutil.copy(certificates / name / file, folder)
        shutil.copy(certificates / other / "own.crt", folder / "peer.crt")
        (folder / "own.key").chmod(0o640)
    system.write(f"/etc/systemd/system/{REPLICATION}.d/lab.conf", SLOW)


def state_of_peer(lab: Lab) -> dict[str, object]:
    argv = (*FWHELPERS, "cluster", "status", "--json", "--config", PEERS_FOLDER)
    state = json.loads(lab.run("s", *argv, check=False).stdout or "{}")
    return state.get("replication") or {}
