"""UPnP on a host that lets nothing out nor in but searches: descriptions are fetched, events arrive.

c is the control point, with fwhelpers; on c2 are minidlna and a device of the test's own.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator

import pytest
from lab import PROGRAMS, discovery_hosts
from lab.process import Process, wait_until
from lab.topology import CLIENT, CLIENT2, Lab
from test_discovery_path import PEERS, Host

PEER = (sys.executable, str(PROGRAMS / "upnp_peer.py"))
#: its bindings are the distribution's
GUPNP = ("/usr/bin/python3", str(PROGRAMS / "gupnp_control.py"))
STRICT = """
table inet host {
    counter unasked { }
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state established,related accept
        meta l4proto ipv6-icmp accept
        ip protocol igmp accept
        ip daddr 239.255.255.250 udp dport 1900 accept
        counter name unasked
    }
    chain output {
        type filter hook output priority filter; policy drop;
        oif lo accept
        ct state established,related accept
        meta l4proto ipv6-icmp accept
        ip protocol igmp accept
        ip daddr 239.255.255.250 udp dport 1900 accept
    }
}
"""
DEVICE, CALLBACK = "49152", "49200"
URL = f"http://{CLIENT2[4]}:{DEVICE}/device.xml"


@pytest.fixture(scope="module")
def bare() -> Iterator[Host]:
    with Lab() as lab:
        host = Host(lab)
        lab.run("c", "nft", "delete", "table", "inet", "host")
        lab.nft(STRICT, "c")
        # minidlna also announces itself to the group, every second
        discovery_hosts.start_minidlna(lab)
        device = lab.popen(
            "c2", *PEER, "device", DEVICE, URL, "http://10.0.1.1:49153/", name="device"
        )
        device.wait_line("^listening$")
        yield host


@pytest.fixture(scope="module")
def host(bare: Host) -> Host:
    assert peer_output(bare.lab, "control", CLIENT[4], CALLBACK, "5", "/evt/ContentDir") == [
        "silence"
    ]
    bare.start_daemon("[helpers.ssdp]\n")
    # only members of the group receive announcements; every control point is one
    member = bare.lab.popen("c", *PEERS, "receive", "4,239.255.255.250,1900", name="member")
    member.wait_line("^listening$")
    return bare


def peer_output(lab: Lab, *words: str, ns: str = "c") -> list[str]:
    return lab.run(ns, *PEER, *words, timeout=120).stdout.splitlines()


def start(lab: Lab, *words: str) -> Process:
    return lab.popen("c", *PEER, *words, name="control")


def send_command(lab: Lab, word: str, ns: str = "c2") -> None:
    lab.run(ns, *PEER, "command", word)


def make(lab: Lab, file: str) -> str:
    """A gate's file, not there yet."""
    lab.namespaces["c"].path(file).unlink(missing_ok=True)
    return file


def open_gate(lab: Lab, file: str) -> None:
    lab.run("c", "touch", file)


def events_expected(host: Host) -> list[str]:
    """The expectations that let events in."""
    return [line for line in host.expectations().splitlines() if "class=2" in line]


def test_a_media_server(host: Host) -> None:
    """Found, described, subscribed to, renewed, left: each by a connection of its own."""
    lab = host.lab
    gates = [make(lab, f"/run/lab/gate{n}") for n in range(3)]
    control = start(lab, "control", CLIENT[4], CALLBACK, "20", "/evt/ContentDir", *gates)
    control.wait_line(rf"^located {CLIENT2[4]} 8200$")
    control.wait_line("^description True$")
    control.wait_line("^subscribed$")
    control.wait_line(rf"^connected {CLIENT2[4]}$")
    (expected,) = events_expected(host)
    assert f"dst={CLIENT[4]}" in expected
    assert f"dport={CALLBACK}" in expected
    open_gate(lab, gates[0])
    control.wait_line("^subscribe HTTP/1.1 200 OK")
    (renewed,) = events_expected(host)
    # the first connection stays its master: its entry lives for ten minutes at least, longer than the subscription
    master = "master-dst"  # behind it come the master's ports
    assert renewed.split(master)[1] == expected.split(master)[1]
    open_gate(lab, gates[1])
    control.wait_line("^unsubscribe HTTP/1.1 200 OK")
    wait_until(lambda: not events_expected(host), "no more events are expected")
    open_gate(lab, gates[2])
    control.wait_line("^end$")


def test_a_device_that_announces_itself(host: Host) -> None:
    """Nobody searches. Its first event comes before its response."""
    lab = host.lab
    send_command(lab, "alive")
    wait_until(lambda: f"dport={DEVICE}" in host.expectations(), "the announcement to arrive")
    gate = make(lab, "/run/lab/gate")
    control = start(lab, "subscribe", CLIENT2[4], DEVICE, "/e", CLIENT[4], "49203", gate)
    control.wait_line(rf"^event {CLIENT2[4]} NOTIFY")
    control.wait_line("^subscribed$")
    # the connection of SUBSCRIBE has ended, its conntrack entry stays for the events
    before = len(control.lines)
    send_command(lab, "event")
    control.wait_line(rf"^event {CLIENT2[4]} NOTIFY", 60, after=before)
    assert "49153" not in host.expectations(), "it announced another host"
    assert [line for line in host.daemon.lines if "G5" in line]
    control.stop()


def test_the_control_connection_ends_and_events_go_on(host: Host) -> None:
    listed = host.lab.run("c", "conntrack", "-L", "-p", "tcp", "--orig-port-dst", DEVICE).stdout
    lasting = [
        line for line in listed.splitlines() if "FIXED_TIMEOUT" in line or "TIME_WAIT" in line
    ]
    assert lasting
    assert max(int(line.split()[2]) for line in lasting) > 120, "the usual end of a TCP connection"


def test_others_do_not_get_in(host: Host) -> None:
    lab = host.lab
    send_command(lab, "alive")
    gate = make(lab, "/run/lab/gate")
    control = start(lab, "subscribe", CLIENT2[4], DEVICE, "/e", CLIENT[4], "49201", gate)
    control.wait_line("^subscribed$")
    assert peer_output(lab, "connect", CLIENT[4], "49201", ns="c2") == ["connected"]
    assert peer_output(lab, "connect", CLIENT[4], "49201", ns="g") == ["failed timed out"]
    control.stop()


def test_a_callback_to_somebody_else(host: Host) -> None:
    """CVE-2020-12695."""
    lab = host.lab
    before = len(events_expected(host))
    control = start(lab, "subscribe", CLIENT2[4], DEVICE, "/e", "10.0.1.1", "49202")
    control.wait_line("^subscribed$")
    assert len(events_expected(host)) == before
    control.stop()


def test_gssdp_discover(host: Host) -> None:
    devices = discovery_hosts.discover_upnp(host.lab, 15)
    assert f"Location: http://{CLIENT2[4]}:8200/rootDesc.xml" in devices


def test_gupnp(host: Host) -> None:
    """GNOME's library, which picks a port of its own for events."""
    lab = host.lab
    service = "urn:schemas-upnp-org:service:ContentDirectory:1"
    control = lab.popen("c", *GUPNP, CLIENT[4], service, "SystemUpdateID", name="gupnp")
    control.wait_line(rf"^found http://{CLIENT2[4]}:8200/")
    location = ("-L", "-p", "tcp", "--orig-src", CLIENT2[4], "--state", "ESTABLISHED")
    wait_until(
        lambda: f"src={CLIENT2[4]}" in lab.run("c", "conntrack", *location, check=False).stdout,
        "minidlna has connected to GUPnP's port",
    )
    control.stop()


def described(host: Host) -> list[str]:
    """The expectations of what the test's device announced; those of searches have the device as only source."""
    return [
        line
        for line in host.expectations().splitlines()
        if f"dport={DEVICE} " in line and "mask-src=255.255.255.0 " in line
    ]


def remaining(host: Host) -> int:
    """Seconds of the only one, by the kernel's clock."""
    (line,) = described(host)
    return int(line.split()[0])


def master_port(line: str) -> str:
    return line.split("master-dst")[1].split("sport=")[1].split()[0]


def forget_device(host: Host) -> None:
    send_command(host.lab, "byebye")
    wait_until(lambda: not described(host), "the device is forgotten")


def test_a_renewed_expectation_outlives_the_first_announcement(host: Host) -> None:
    """Each announcement comes from a socket of its own."""
    forget_device(host)
    send_command(host.lab, "alive 6")
    wait_until(lambda: described(host), "the device is announced")
    first = master_port(described(host)[0])
    send_command(host.lab, "alive 600")
    wait_until(lambda: master_port(described(host)[0]) != first, "another socket has renewed it")
    renewed = remaining(host)
    wait_until(lambda: remaining(host) <= renewed - 9, "the first announcement's time has passed")
    forget_device(host)


@pytest.mark.parametrize("attempt", range(6))
def test_searches_of_a_new_socket_without_pause(host: Host, attempt: int) -> None:
    """They were connections of their own until the first was confirmed, and took their expectation along."""
    assert peer_output(host.lab, "search", "10", "3")[0].startswith(f"located {CLIENT2[4]}")


def test_an_expectation_ends_in_time_though_its_worker_was_killed(host: Host) -> None:
    forget_device(host)
    send_command(host.lab, "alive 12")
    wait_until(lambda: described(host), "the device is announced")
    assert remaining(host) > 1000, "the kernel has the policy's lifetime"
    counters = json.loads(host.lab.fwhelpers("counters", "--json", ns="c").stdout)
    for worker in counters["workers"]:
        os.kill(worker["pid"], signal.SIGKILL)
    wait_until(lambda: not described(host), "it has ended")


def test_a_forged_announcement_of_a_host_elsewhere(host: Host) -> None:
    """It would open the way from the whole link to a host behind another interface."""
    lab = host.lab
    source = "10.9.9.9"
    lab.run("c2", "ip", "address", "add", f"{source}/32", "dev", "lo")
    before = len(host.daemon.lines)
    lab.run("c2", *PEER, "forge", source, f"http://{source}:{DEVICE}/device.xml")
    host.daemon.wait_line(rf"{source}.*\(G8\)", 60, after=before)
    assert source not in host.expectations()


def test_nothing_failed_inside(host: Host) -> None:
    assert not [line for line in host.daemon.lines if "failed" in line or "Traceback" in line]
