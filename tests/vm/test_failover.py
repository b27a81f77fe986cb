"""The active of two gateways fails between an announcement and its data connection, and during calls and mounts."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable

import pytest
from lab import PROGRAMS, clients
from lab.gateways import GatewayPair
from lab.process import Process, wait_until
from lab.servers import EXPORT, start_ftp, start_nfs
from lab.sip import ENOUGH, arrived, caller_command, count_audio, start_callee
from test_tns_path import PEER, port_line, served, start_listener

PEERS = str(PROGRAMS / "peers.py")
GATE = "/run/lab/go"
RPC = "[helpers.rpc]\n"
SHORT = 10  #: seconds
#: in a row; FWHELPERS_TAKEOVERS=100 in the environment makes a hundred
TAKEOVERS = int(os.environ.get("FWHELPERS_TAKEOVERS", "4"))
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
        lab.wait_replicated(2, port=21)

        lab.fail(active)
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


@pytest.mark.parametrize("nat", ["none", "snat"])
def test_a_redirected_session_survives_a_failover(nat: str) -> None:
    with GatewayPair(nat) as lab:
        start_listener(lab, 4)
        active, _ = (lab.start_fwhelpers("[helpers.tns]\n", ns=ns) for ns in "gh")
        lab.start_conntrackd()
        session = lab.popen(
            "c", sys.executable, PEER, "client", "10.0.2.2", "30", GATE, name="session"
        )
        session.wait_line("^redirected ")
        lab.wait_replicated(1, port=1521)

        lab.fail(active)
        line = lab.take_over()
        lab.namespaces["c"].path(GATE).touch()
        session.wait_line("^data served by the dispatcher$")
        assert line.endswith(" 0 refused, 0 lost"), line
        assert served(lab, "10.0.2.2") == port_line("10.0.2.2")


@pytest.mark.parametrize("nat", ["none", "snat"])
def test_a_mount_survives_a_failover(nat: str) -> None:
    with GatewayPair(nat) as lab:
        active = mount(lab, f"[daemon]\nkeep_masters = true\n{RPC}")
        wait_until(lambda: max(lifetimes(lab, "g", 111), default=0) > SHORT, "a longer life")
        for port in (111, 2049):
            lab.wait_cached("ct", f"dport={port} ")

        lab.fail(active)
        lab.take_over()
        clients.write(lab, "written", "after the failover\n")
        assert clients.served(lab, f"{EXPORT}/written") == "after the failover\n"
        clients.umount(lab)
        mounted = clients.mount(lab, "tcp")
        assert mounted.returncode == 0, mounted.stderr
        assert clients.read(lab) == "written by the server\n"


def test_a_mount_is_lost_if_the_query_for_its_port_has_ended() -> None:
    with GatewayPair() as lab:
        active = mount(lab, RPC)
        wait_until(lambda: not lifetimes(lab, "g", 111), "the end of the query")
        lab.wait_cached("ct", "dport=2049 ")

        lab.fail(active)
        lab.take_over()
        assert lifetimes(lab, "h", 2049) == []


def mount(lab: GatewayPair, config: str) -> Process:
    """Mount through two gateways whose entries of ended connections live for SHORT. Return the active service."""
    names = "tcp_timeout_time_wait", "udp_timeout", "udp_timeout_stream"
    settings = [f"net.netfilter.nf_conntrack_{name}={SHORT}" for name in names]
    for ns in "gh":
        lab.run(ns, "sysctl", "-qw", *settings)
    start_nfs(lab)
    active, _ = (lab.start_fwhelpers(config, ns=ns) for ns in "gh")
    lab.start_conntrackd()
    mounted = clients.mount(lab, "udp")
    assert mounted.returncode == 0, mounted.stderr
    assert clients.read(lab) == "written by the server\n"
    return active


def lifetimes(lab: GatewayPair, ns: str, port: int) -> list[int]:
    """Return the remaining lifetimes of connections to a port of the server, in seconds."""
    listed = lab.run(ns, "conntrack", "-L").stdout.splitlines()
    return [int(line.split()[2]) for line in listed if f"dport={port} " in line]


@pytest.mark.parametrize("nat", ["none", "snat"])
def test_a_call_survives_a_failover(nat: str) -> None:
    with GatewayPair(nat) as lab:
        lab.open("udp", 5060)
        count_audio(lab)
        active, _ = (lab.start_fwhelpers("[helpers.sip]\n", ns=ns) for ns in "gh")
        lab.start_conntrackd()
        start_callee(lab)
        # longer than the test lasts
        caller = lab.popen("c", *caller_command(lab, milliseconds=600_000), name="caller")
        wait_heard(lab)
        lab.wait_cached("ct", "port=7000 ")  # of either direction: which end spoke first?

        lab.fail(active)
        lab.take_over()
        wait_heard(lab)
        caller.stop()
        later = lab.popen(
            "c", *caller_command(lab, own_port=5070, milliseconds=600_000), name="later"
        )
        wait_heard(lab)
        later.stop()


def wait_heard(lab: GatewayPair) -> None:
    """Wait until more audio has arrived at both ends."""
    before = {ns: arrived(lab, ns) for ns in "cs"}
    for ns, count in before.items():
        wait_until(lambda ns=ns, count=count: arrived(lab, ns) - count > ENOUGH, f"audio at {ns}")


def test_take_overs_in_a_row() -> None:
    """The gateways exchange their roles again and again, between the announcements of two transfers and their data."""
    with GatewayPair("snat") as lab:
        start_ftp(lab, [4])
        for name in "gh":
            lab.start_fwhelpers("[helpers.ftp]\n", ns=name)
        lab.start_conntrackd()
        active, passive = "g", "h"
        for number in range(TAKEOVERS):
            transfers = announce(lab, number)
            lab.wait_replicated(2, port=21, ns=passive)
            line = lab.hand_over(active, passive)
            active, passive = passive, active
            assert line == "takeover: 2 repaired, 0 kept, 0 refused, 0 lost", f"{number}: {line}"
            finish(lab, number, transfers)


def announce(lab: GatewayPair, number: int) -> list[Process]:
    """Begin a passive and an active transfer, which wait for `finish` between announcement and data."""
    gate = f"{GATE}{number}"
    to_client = client(lab, "listen_for_data", "10.0.1.2", str(5000 + number), gate)
    passive = client(lab, "fetch", "10.0.2.2", gate)
    to_client.wait_line("^< 200")
    passive.wait_line("^< 227")
    return [to_client, passive]


def finish(lab: GatewayPair, number: int, transfers: list[Process]) -> None:
    lab.namespaces["c"].path(f"{GATE}{number}").touch()
    for transfer in transfers:
        transfer.wait_line("^data served by ftp")


def test_the_first_gateway_comes_back() -> None:
    """Its service was killed, and started again when the other one was active."""
    with GatewayPair("snat") as lab:
        start_ftp(lab, [4])
        first, _ = (lab.start_fwhelpers("[helpers.ftp]\n", ns=name) for name in "gh")
        lab.start_conntrackd()
        transfers = announce(lab, 0)
        lab.wait_replicated(2, port=21)
        lab.fail(first)
        lab.take_over()
        finish(lab, 0, transfers)

        lab.return_links()
        lab.start_fwhelpers("[helpers.ftp]\n", ns="g")
        lab.notify("g", "BACKUP")
        transfers = announce(lab, 1)
        lab.wait_replicated(2, port=21, ns="g")
        line = lab.hand_over("h", "g")
        assert line == "takeover: 2 repaired, 0 kept, 0 refused, 0 lost"
        finish(lab, 1, transfers)


@pytest.mark.parametrize("name", ["g", "h"])
def test_conntrackd_is_killed_and_started_again(name: str) -> None:
    """What was announced in between survives as well."""
    with GatewayPair("snat") as lab:
        start_ftp(lab, [4])
        active, _ = (lab.start_fwhelpers("[helpers.ftp]\n", ns=ns) for ns in "gh")
        synchronizers = lab.start_conntrackd()
        synchronizers[name].signal(signal.SIGKILL)
        synchronizers[name].wait()
        transfers = announce(lab, 0)
        lab.restart_conntrackd(name)
        lab.conntrackd("h", "-n")  # ask for everything, as the notify script does
        lab.wait_replicated(2, port=21)
        lab.fail(active)
        line = lab.take_over()
        assert line == "takeover: 2 repaired, 0 kept, 0 refused, 0 lost"
        finish(lab, 0, transfers)


def test_both_gateways_are_active_while_their_link_is_cut() -> None:
    """Each opens what was announced to it. Afterwards the one that keeps the addresses goes on."""
    with GatewayPair("snat") as lab:
        start_ftp(lab, [4])
        for name in "gh":
            lab.start_fwhelpers("[helpers.ftp]\n", ns=name)
        lab.start_conntrackd()
        transfers = announce(lab, 0)
        lab.wait_replicated(2, port=21)
        lab.run("g", "ip", "link", "set", "sync", "down")
        lab.notify("h", "MASTER")  # its addresses reach nobody: the ends keep those of g
        finish(lab, 0, transfers)
        lab.run("g", "ip", "link", "set", "sync", "up")
        lab.notify("h", "BACKUP")
        transfers = announce(lab, 1)
        lab.wait_replicated(2, port=21)
        line = lab.hand_over("g", "h")
        assert line == "takeover: 2 repaired, 0 kept, 0 refused, 0 lost"
        finish(lab, 1, transfers)


def test_the_first_announcement_after_a_failover(
    record_property: Callable[[str, object], None],
) -> None:
    """Records how long the script takes, and the first transfer: a control connection, PASV and its data."""
    with GatewayPair("snat") as lab:
        start_ftp(lab, [4])
        active, _ = (lab.start_fwhelpers("[helpers.ftp]\n", ns=name) for name in "gh")
        lab.start_conntrackd()
        client(lab, "fetch", "10.0.2.2", "/").wait_line("^data served by ftp")
        lab.fail(active)
        begin = time.monotonic()
        lab.take_over()
        moved = time.monotonic()
        client(lab, "fetch", "10.0.2.2", "/").wait_line("^data served by ftp")
        record_property("seconds of the script", round(moved - begin, 2))
        record_property("seconds of the first transfer", round(time.monotonic() - moved, 2))


def client(lab: GatewayPair, *arguments: str) -> Process:
    return lab.popen("c", sys.executable, PEERS, *arguments, name=arguments[0])
