"""RPC programs that call back: VXI-11's abort and interrupt channels, and the lock manager of an NFSv3 server."""

from __future__ import annotations

import re
import sys

import pytest
from lab import PROGRAMS
from lab.clients import MOUNTPOINT, mount
from lab.process import Process, wait_until
from lab.servers import EXPORT, ports, start_nfs
from lab.topology import CLIENT, SERVER, Lab

RPC = "[daemon]\nworkers = 1\n[helpers.rpc]\n"
ALONE = RPC + 'programs = ["vxi11_core"]\n'
_VXI11 = (sys.executable, "-W", "ignore", str(PROGRAMS / "vxi11_peer.py"))
_LOCK = (sys.executable, str(PROGRAMS / "file_lock.py"))


def measure(lab: Lab) -> tuple[Process, Process]:
    """Start the instrument, and the controller that asks it for interrupts."""
    instrument = lab.popen("s", *_VXI11, "instrument", SERVER[4], name="instrument")
    instrument.wait_line("^listening$")
    return instrument, lab.popen("c", *_VXI11, "control", lab.target(), name="controller")


@pytest.mark.nat("both")
def test_an_instrument_interrupts_its_controller(lab: Lab) -> None:
    daemon = lab.start_fwhelpers(RPC)
    instrument, controller = measure(lab)
    controller.wait_line("^aborted$")
    controller.wait_line("^interrupts: 0$")
    controller.wait_line("^interrupted by voltmeter$")
    controller.wait_line("^closed$")
    assert "abort" in instrument.lines
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def test_programs_that_are_not_listed_stay_closed(lab: Lab) -> None:
    daemon = lab.start_fwhelpers(ALONE)
    instrument, controller = measure(lab)
    controller.wait_line("^no abort channel: ")
    controller.wait_line("^interrupts: 6$")
    instrument.wait_line("^no channel for interrupts: ")
    daemon.wait_line("program vxi11_intr is not in `programs`")
    assert lab.dropped()


def start_client(lab: Lab) -> None:
    """Start what the client needs for locks: its portmapper and its status monitor."""
    client = lab.namespaces["c"]
    client.run(
        "sh",
        "-c",
        "mkdir -p /run/rpcbind /var/lib/nfs/sm /var/lib/nfs/sm.bak; touch /var/lib/nfs/state",
    )
    client.popen("rpcbind", "-f")
    client.wait_listening("tcp", 111)
    client.popen("rpc.statd", "--foreground", "--no-notify")
    wait_until(lambda: "tcp" in ports(lab, "status", "c"), "the client's statd")


def test_a_granted_lock_is_announced_to_the_client(lab: Lab) -> None:
    """The server asks the client's portmapper for the port of its lock manager."""
    # the grace period after the server's start, in which it grants no locks, would last 50 seconds
    lab.run("s", "sh", "-c", "modprobe lockd; sysctl -qw fs.nfs.nlm_grace_period=1")
    start_nfs(lab, statd=True)
    start_client(lab)
    daemon = lab.start_fwhelpers(RPC)
    mounted = mount(lab, "tcp", lock=True)
    assert mounted.returncode == 0, mounted.stderr
    holder = lab.popen("s", *_LOCK, f"{EXPORT}/hello", name="holder")
    holder.wait_line("^locked$")
    events = lab.watch_expectations()
    waiter = lab.popen("c", *_LOCK, f"{MOUNTPOINT}/hello", name="waiter")
    lab.cleanups.append(waiter.stop)  # its lock is given back while there is a server
    waiter.wait_line("^waiting$")
    wait_until(lambda: "-> POSIX" in lab.run("s", "cat", "/proc/locks").stdout, "a waiting lock")
    holder.stop()
    port = ports(lab, "nlockmgr", "c")["tcp"]
    granted = rf"\[NEW\] .* src={re.escape(SERVER[4])} dst={re.escape(CLIENT[4])} sport=0 dport={port} .* helper=rpc$"
    events.wait_line(granted)
    waiter.wait_line("^locked$")
    listed = lab.run("g", "conntrack", "-L", "-p", "tcp").stdout
    assert re.search(
        rf"src={re.escape(SERVER[4])} dst={re.escape(CLIENT[4])} .* dport={port} ", listed
    )
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]
