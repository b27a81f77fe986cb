"""PPTP with pptpd, pppd and pptp-linux through the gateway, by the kernel's own helper."""

from __future__ import annotations

import signal

import pytest
from lab.process import Process, run, wait_until
from lab.topology import Lab

PPTP = "[daemon]\nworkers = 1\n[helpers.pptp]\n"
NONE = "[daemon]\nworkers = 1\n"
INSIDE, OUTSIDE = "10.9.0.1", "10.9.0.10"  # the tunnel's ends: server and client

_PPTPD = f"""
ppp /usr/sbin/pppd
option /run/lab/ppp
pidfile /run/lab/pptpd.pid
localip {INSIDE}
remoteip {OUTSIDE}-19
"""
# no authentication: a tunnel of the lab. The intervals are long, as everything takes longer under emulation
_PPP = (
    "noauth\nnobsdcomp\nnodeflate\nnovj\nnoccp\nlcp-restart 10\nipcp-restart 10\nnodefaultroute\n"
)


@pytest.fixture(scope="module", autouse=True)
def ppp() -> None:
    """The kernel's side of PPP."""
    run(["modprobe", "-a", "ppp_generic", "ppp_async"])
    run(["sh", "-c", "[ -e /dev/ppp ] || mknod /dev/ppp c 108 0"])


def start_server(lab: Lab) -> Process:
    lab.open("tcp", 1723)
    space = lab.namespaces["s"]
    space.path("/run/lab/pptpd.conf").write_text(_PPTPD)
    space.path("/run/lab/ppp").write_text(f"{_PPP}debug\nlogfile /run/lab/ppp.log\n")
    server = lab.popen("s", "pptpd", "--fg", "--conf", "/run/lab/pptpd.conf")
    space.wait_listening("tcp", 1723)
    return server


def call(lab: Lab, client: str = "c") -> Process:
    """Start a client; its tunnel is a matter of the gateway."""
    lab.namespaces[client].path("/run/lab/ppp").write_text(_PPP)
    pty = f"pptp {lab.target()} --nolaunchpppd"
    return lab.popen(
        client, "pppd", "nodetach", "debug", "file", "/run/lab/ppp", "pty", pty, "noipdefault"
    )


def ping(lab: Lab, source: str, address: str) -> bool:
    return lab.run(source, "ping", "-c2", "-W20", address, check=False).returncode == 0


def calls(lab: Lab) -> list[str]:
    """Return the gateway's GRE entries."""
    return str(lab.run("g", "conntrack", "-L", "-p", "gre").stdout).splitlines()


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "dnat")],
)
def test_a_tunnel_works_both_ways(lab: Lab, kind: str) -> None:
    start_server(lab)
    daemon = lab.start_fwhelpers(PPTP)
    client = call(lab)
    client.wait_line("local  IP address")
    assert ping(lab, "c", INSIDE)
    assert ping(lab, "s", OUTSIDE)
    # one entry for both directions, which a helper in user space cannot make
    (entry,) = calls(lab)
    assert "[ASSURED]" in entry
    assert "UNREPLIED" not in entry
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "warning" in line or "error" in line]


def test_without_the_helper_the_firewall_drops_it(lab: Lab) -> None:
    start_server(lab)
    daemon = lab.start_fwhelpers(NONE)
    client = call(lab)
    wait_until(lambda: lab.dropped() > 2, "GRE packets are dropped", 120)
    assert not calls(lab)
    client.stop()
    # a reload assigns the helper, and another one takes it away
    lab.config(PPTP)
    daemon.signal(signal.SIGHUP)
    daemon.wait_line("^fwhelpers: reloaded: pptp$")
    call(lab).wait_line("local  IP address")
    lab.config(NONE)
    daemon.signal(signal.SIGHUP)
    daemon.wait_line("^fwhelpers: reloaded: no helper enabled$")
    assert "ct helper" not in lab.run("g", "nft", "list", "table", "inet", "fwhelpers").stdout
    assert ping(lab, "c", INSIDE)
