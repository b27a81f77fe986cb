"""The active of two gateways fails between an announcement and its data connection."""

from __future__ import annotations

import signal
import sys

import pytest
from lab import PROGRAMS
from lab.gateways import GatewayPair
from lab.process import Process
from lab.servers import start_ftp

PEERS = str(PROGRAMS / "peers.py")
GATE = "/run/lab/go"
CONFIG = "[helpers.ftp]\nresume = true\n"


@pytest.mark.parametrize("nat", ["none", "snat"])
def test_announced_transfers_survive_a_failover(nat: str) -> None:
    with GatewayPair(nat) as lab:
        start_ftp(lab, [4])
        active, _ = (lab.start_fwhelpers(CONFIG, ns=ns) for ns in "gh")
        lab.start_conntrackd()
        before = client(lab, "fetch", "10.0.2.2", "/")
        before.wait_line("^data served by ftp")
        # first, so that its labels are replicated before the expectations
        idle = client(lab, "ftp_client", "10.0.2.2", f"USER ftp;PASS x;@{GATE};pasv")
        idle.wait_line("^< 230")
        # at the same time: what PASV announces lives for a minute
        to_client = client(lab, "listen_for_data", "10.0.1.2", "5000", GATE)
        passive = client(lab, "fetch", "10.0.2.2", GATE)
        to_client.wait_line("^< 200")
        passive.wait_line("^< 227")
        lab.wait_replicated(2)

        active.signal(signal.SIGKILL)
        lab.cut("g")
        line = lab.take_over()

        # with SNAT both need a translation; without, conntrackd carries what counts
        assert line.startswith(f"takeover: {2 if nat == 'snat' else 0} repaired, "), line
        assert line.endswith(" kept, 0 refused, 0 lost"), line
        assert lab.run("h", "conntrack", "-L", "expect").stdout.count("dport=21 ") == 2
        lab.namespaces["c"].path(GATE).touch()
        passive.wait_line("^data served by ftp")
        to_client.wait_line("^data served by ftp")
        idle.wait_line("^data connected")
        after = client(lab, "fetch", "10.0.2.2", "/")
        after.wait_line("^data served by ftp")


def client(lab: GatewayPair, *arguments: str) -> Process:
    return lab.popen("c", sys.executable, PEERS, *arguments, name=arguments[0])
