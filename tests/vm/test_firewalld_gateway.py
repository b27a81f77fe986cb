"""The real firewalld on a gateway: helpers act where its zones and policies say, through whatever happens to it.

Every change is tried in both directions by real FTP: the control port is always open, so only the helper makes the
difference. firewalld refuses what it does not know, so a transfer without helper fails at once.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from lab import PROGRAMS
from lab.clients import download, mount, read, umount
from lab.firewalld import Firewalld
from lab.process import Process, wait_until
from lab.servers import start_ftp, start_nfs
from lab.topology import CLIENT2, Lab

PEERS = str(PROGRAMS / "peers.py")


class Gate:
    """The lab behind firewalld; `daemon` follows it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        start_ftp(lab)
        start_nfs(lab)
        lab.fwhelpers("register")
        self.firewalld = Firewalld(lab)
        self.firewalld.zone("internal", "lan")
        self.firewalld.zone("public", "wan")
        # the control port is open whatever happens
        self.firewalld.policy("open", "ANY", "ANY", '<port port="21" protocol="tcp"/>')
        self.firewalld.policy("lan-wan", "internal", "public")
        self.firewalld.policy("work-wan", "work", "public", '<service name="fw-ftp"/>')
        self.firewalld.start()
        self.daemon: Process = self.firewalld.start_fwhelpers()

    def cmd(self, *arguments: str) -> None:
        self.firewalld.cmd(*arguments)

    def change(self, *arguments: str, line: str = "") -> None:
        """Change something, and wait until the daemon has heard of it."""
        before = len(self.daemon.lines)
        # emulated, firewalld may take longer than firewall-cmd waits for its reply
        self.firewalld.cmd(*arguments, check=False)
        self.daemon.wait_line(
            line or r"^fwhelpers: (firewalld|NetworkManager) \w+.*: ", after=before
        )

    def fetch(self, client: str = "c", way: str = "EPSV") -> bool:
        """Does a transfer come through?"""
        result = download(self.lab, way, 4, client=client, timeout=20)
        assert "220 " in result.stderr, f"not even the control connection: {result.stderr}"
        return result.returncode == 0

    def talk(self) -> Process:
        """A control connection that waits for `go` before it asks for data."""
        script = "USER ftp;PASS x;@/run/lab/go;pasv"
        argv = (sys.executable, PEERS, "ftp_client", "10.0.2.2", script)
        self.lab.namespaces["c"].path("/run/lab/go").unlink(missing_ok=True)
        talk = self.lab.popen("c", *argv, name="talk")
        talk.wait_line("^< 230 Login")
        return talk

    def go(self, talk: Process) -> bool:
        """Let it; does its data connection come through?"""
        self.lab.namespaces["c"].path("/run/lab/go").touch()
        return "connected" in talk.wait_line("^data (connected|failed)").string


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    with Lab() as lab:
        yield Gate(lab)


@pytest.fixture
def helped(gate: Gate) -> Gate:
    """With both services in the policy, permanently, whatever became of a test before."""
    services = '<service name="fw-ftp"/>', '<service name="fw-nfs3"/>'
    gate.firewalld.zone("internal", "lan")
    gate.firewalld.policy("lan-wan", "internal", "public", *services)
    gate.change("--reload", line="reloaded")
    return gate


def test_a_service_in_a_policy_is_all_that_is_needed(gate: Gate) -> None:
    assert not gate.fetch()
    gate.change("--policy=lan-wan", "--add-service=fw-ftp", line=": ftp")
    assert gate.fetch()
    assert gate.fetch(way="PORT")
    gate.change("--policy=lan-wan", "--remove-service=fw-ftp", line="no helper enabled")
    assert not gate.fetch()


def test_runtime_to_permanent_and_nfs(gate: Gate) -> None:
    gate.change("--policy=lan-wan", "--add-service=fw-nfs3", line=": rpc")
    gate.change("--policy=lan-wan", "--add-service=fw-ftp", line=": ftp, rpc|: rpc, ftp")
    gate.firewalld.cmd("--runtime-to-permanent", check=False)  # see Gate.change
    for service in ("fw-ftp", "fw-nfs3"):
        query = ("--permanent", "--policy=lan-wan", f"--query-service={service}")
        wait_until(lambda q=query: gate.firewalld.cmd(*q, check=False).returncode == 0, service)
    gate.change("--reload", line="reloaded")
    assert gate.fetch()
    result = mount(gate.lab, "tcp")
    assert result.returncode == 0, result.stderr
    assert "written by the server" in read(gate.lab)
    umount(gate.lab)
    zones = gate.firewalld.zones()
    assert "internal → public  21/tcp           policy lan-wan, service fw-ftp" in zones
    assert "internal → public  111/tcp,111/udp  policy lan-wan, service fw-nfs3" in zones


def test_an_interface_moves_between_zones(helped: Gate) -> None:
    talk = helped.talk()
    helped.change("--zone=work", "--change-interface=lan", line="firewalld changed")
    assert helped.fetch()
    assert helped.go(talk), "a flow in progress lost its helper"
    helped.change("--zone=home", "--change-interface=lan", line="firewalld changed")
    assert not helped.fetch()
    helped.cmd("--zone=home", "--add-source=10.0.1.3")
    assert not helped.fetch("c2")
    helped.change("--zone=internal", "--change-source=10.0.1.3", line="firewalld changed")
    assert helped.fetch("c2")
    assert not helped.fetch("c")
    helped.change("--zone=internal", "--change-interface=lan", line="firewalld changed")
    helped.change("--zone=internal", f"--remove-source={CLIENT2[4]}", line="firewalld changed")
    assert helped.fetch("c")
    assert helped.fetch("c2")


@pytest.mark.parametrize("how", ["--reload", "--complete-reload"])
def test_reloads(helped: Gate, how: str) -> None:
    talk = helped.talk()
    helped.change(how, line="reloaded")
    assert helped.fetch()
    if how == "--reload":  # a complete one forgets all connections, which is what it is for
        assert helped.go(talk)


def test_panic(helped: Gate) -> None:
    helped.cmd("--panic-on")
    assert download(helped.lab, "EPSV", 4, timeout=5).returncode != 0
    helped.cmd("--panic-off")
    assert helped.fetch()


def test_stop_restart_and_crash(helped: Gate) -> None:
    talk = helped.talk()
    before = len(helped.daemon.lines)
    helped.firewalld.crash()
    helped.daemon.wait_line("firewalld stopped", after=before)
    assert helped.fetch(), "its rules are still there, and so are ours"
    helped.firewalld.start()
    helped.daemon.wait_line("firewalld started", after=before)
    assert helped.fetch()
    assert helped.go(talk)
    before = len(helped.daemon.lines)
    helped.firewalld.stop()
    helped.daemon.wait_line("firewalld stopped", after=before)
    assert helped.fetch()
    helped.firewalld.start()
    helped.daemon.wait_line("firewalld started", after=before)
    assert helped.fetch()
    helped.cmd("--policy=lan-wan", "--query-service=fw-ftp")


def test_our_own_restart_begins_with_the_zones_in_force(helped: Gate) -> None:
    helped.daemon.stop()
    assert not helped.fetch()
    helped.daemon = helped.firewalld.start_fwhelpers()
    assert helped.fetch()


def test_the_bus_goes_and_comes(helped: Gate) -> None:
    helped.firewalld.bus.stop()
    assert helped.fetch()
    helped.firewalld.process.stop()  # type: ignore[union-attr]
    before = len(helped.daemon.lines)
    helped.firewalld.bus = helped.firewalld.start_bus()
    helped.firewalld.start()
    helped.daemon.wait_line("firewalld started", after=before)
    assert helped.fetch()


def test_nothing_failed_inside(gate: Gate) -> None:
    assert not [line for line in gate.daemon.lines if "Traceback" in line or "Error" in line]
