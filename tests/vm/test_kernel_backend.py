"""`backend = "kernel"`: the kernel's own helper in our table, with real programs, and switched by reload."""

from __future__ import annotations

import signal
import sys

import pytest
from lab import PROGRAMS
from lab.clients import FTP_CASES, download
from lab.process import Process
from lab.servers import start_ftp
from lab.topology import Lab

USER = "[daemon]\nworkers = 1\n[helpers.ftp]\n"
KERNEL = f'{USER}backend = "kernel"\n'


def rules(lab: Lab) -> str:
    """Return our table as the kernel has it."""
    return str(lab.run("g", "nft", "list", "table", "inet", "fwhelpers").stdout)


def reload(
    lab: Lab, daemon: Process, config: str, line: str = "^fwhelpers: reloaded: ftp$"
) -> None:
    lab.config(config)
    after = len(daemon.lines)
    daemon.signal(signal.SIGHUP)
    daemon.wait_line(line, after=after)


def fetch(lab: Lab, events: Process, way: str, family: int, helper: str) -> None:
    """Download a file by an expectation of this helper."""
    after = len(events.lines)
    done = download(lab, way, family)
    assert done.stdout == "served by ftp\n", done.stderr
    events.wait_line(rf"\[NEW\] .* helper={helper}$", after=after)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "dnat")],
)
def test_the_kernels_helper_opens_for_ftp(lab: Lab, kind: str) -> None:
    start_ftp(lab)
    daemon = lab.start_fwhelpers(KERNEL)
    events = lab.watch_expectations()
    assert "queue" not in rules(lab)
    for way, family in FTP_CASES:
        fetch(lab, events, way, family, "ftp")
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "warning" in line or "error" in line]


@pytest.mark.nat("snat")
def test_a_reload_switches_both_ways(lab: Lab) -> None:
    start_ftp(lab)
    daemon = lab.start_fwhelpers(USER)
    events = lab.watch_expectations()
    fetch(lab, events, "PORT", 4, "fw-ftp")
    reload(lab, daemon, KERNEL)
    assert "queue" not in rules(lab)
    fetch(lab, events, "PORT", 4, "ftp")
    # a connection keeps the helper that it began with
    peers = str(PROGRAMS / "peers.py")
    steps = "USER ftp;@/run/lab/go;pasv"
    client = lab.popen("c", sys.executable, peers, "ftp_client", "10.0.2.2", steps)
    client.wait_line("^< 230")
    reload(lab, daemon, USER)
    lab.namespaces["c"].path("/run/lab/go").touch()
    client.wait_line("^data connected")
    fetch(lab, events, "PORT", 4, "fw-ftp")
    assert lab.dropped() == 0


def test_a_wrong_switch_changes_nothing(lab: Lab) -> None:
    start_ftp(lab)
    daemon = lab.start_fwhelpers(USER)
    events = lab.watch_expectations()
    before = rules(lab)
    wrong = f"{KERNEL}[helpers.ftp.guard]\nmax_per_source = 4\n"
    reload(lab, daemon, wrong, "reload failed, .*helpers.ftp.guard: the kernel's helper does not")
    assert rules(lab) == before
    fetch(lab, events, "PASV", 4, "fw-ftp")


def test_check_says_who_acts(lab: Lab) -> None:
    config = lab.config(f"{KERNEL}[helpers.tftp]\n[helpers.rpc]\n")
    lab.start_fwhelpers(f"{KERNEL}[helpers.tftp]\n[helpers.rpc]\n")
    lab.nft(
        'table inet other { ct helper tftp { type "tftp" protocol udp; }\n'
        "chain late { type filter hook prerouting priority 0;"
        ' udp dport 6969 ct helper set "tftp"; }; }'
    )
    report = lab.fwhelpers("check", "--config", config, check=False, timeout=120).stdout
    assert 'ok    state: ftp: the kernel\'s (ftp), by backend = "kernel"' in report
    assert (
        "ok    state: tftp: ours (fw-tftp); the kernel's for what we leave,"
        " by inet other late at priority 0" in report
    )
    assert "ok    state: rpc: ours (rpc); the kernel has none" in report
    listed = lab.fwhelpers("list", "--config", config).stdout
    backends = {
        line.split()[0]: line.split()[2]
        for line in listed.splitlines()[1:]
        if line.split()[1:2] == ["yes"]
    }
    assert backends == {"ftp": "kernel", "tftp": "user", "rpc": "user"}
