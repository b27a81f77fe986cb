"""Two clients behind one address announce the same port."""

from __future__ import annotations

import sys

import pytest
from lab import PROGRAMS
from lab.process import Process
from lab.servers import start_ftp, start_nfs
from lab.topology import Lab

PEERS = str(PROGRAMS / "peers.py")
BURST = str(PROGRAMS / "portmap_burst.py")
MOUNTD, LOCKD = 100005, 100021
TCP, UDP = 6, 17


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


@pytest.mark.nat("snat")
def test_a_flushed_port_may_be_another_clients_by_now(lab: Lab) -> None:
    """The first client's next error must not close what the second one has announced since."""
    start_ftp(lab)
    daemon = lab.start_fwhelpers("[daemon]\nworkers = 1\n[helpers.ftp]\n")

    def masters() -> list[str]:
        listed = lab.run("g", "conntrack", "-L", "expect").stdout.splitlines()
        return [line.split("master-src=")[1].split()[0] for line in listed if "dport=5000 " in line]

    def announce(ns: str, host: str, gate: str, then: str) -> Process:
        steps = f"USER ftp;PASS x;PORT {host},19,136;@{gate};{then}"
        client = lab.popen(ns, sys.executable, PEERS, "ftp_client", "10.0.2.2", steps, name=ns)
        client.wait_line("^< 200")
        return client

    first = announce("c", "10,0,1,2", "/run/lab/first", "RETR missing")
    assert masters() == ["10.0.1.2"]
    lab.run("g", "conntrack", "-F", "expect")
    assert masters() == []
    announce("c2", "10,0,1,3", "/run/lab/second", "NOOP")
    assert masters() == ["10.0.1.3"]
    lab.namespaces["c"].path("/run/lab/first").touch()
    first.wait_line("^< 5")
    assert masters() == ["10.0.1.3"]
    assert daemon.returncode is None


def test_all_calls_of_a_new_socket_are_of_one_connection(lab: Lab) -> None:
    """Each has an entry of its own, and the kernel keeps the one that is confirmed first."""
    start_nfs(lab)
    daemon = lab.start_fwhelpers("[daemon]\nworkers = 1\n[helpers.rpc]\n")
    services = [
        f"{program},{version},{protocol}"
        for program, version in ((MOUNTD, 3), (LOCKD, 4))
        for protocol in (TCP, UDP)
    ]
    answered = lab.run("c", sys.executable, BURST, lab.target(), *services).stdout.split()
    assert len(set(answered)) == len(services)
    assert "0" not in answered
    listed = lab.run("g", "conntrack", "-L", "expect").stdout.splitlines()
    opened = {word.removeprefix("dport=") for line in listed for word in line.split()[:7]}
    assert set(answered) <= opened, "\n".join(daemon.lines)
