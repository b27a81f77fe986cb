"""Two clients behind one address announce the same port."""

from __future__ import annotations

import sys

import pytest
from lab import PROGRAMS
from lab.servers import start_ftp
from lab.topology import Lab

PEERS = str(PROGRAMS / "peers.py")


@pytest.mark.nat("snat")
def test_two_clients_announce_the_same_port(lab: Lab) -> None:
    start_ftp(lab)
    daemon = lab.start_fwhelpers("[daemon]\nworkers = 2\n[helpers.ftp]\n")
    gate = lab.namespaces["c"].path("/run/lab/go")
    first = lab.popen(
        "c", sys.executable, PEERS, "listen_for_data", "10.0.1.2", "5000", "/run/lab/go"
    )
    first.wait_line("^< 200")
    second = lab.popen(
        "c2", sys.executable, PEERS, "listen_for_data", "10.0.1.3", "5000", "/run/lab/go"
    )
    second.wait_line("^< 200")
    expected = lab.run("g", "conntrack", "-L", "expect").stdout
    assert {"dport=5000", "dport=5001"} <= set(expected.split())
    lab.namespaces["c2"].path("/run/lab/go").touch()
    second.wait_line("^data served by ftp")
    gate.touch()
    first.wait_line("^data served by ftp")
    assert daemon.returncode is None
