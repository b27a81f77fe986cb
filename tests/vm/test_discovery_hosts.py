"""More of discovery with real programs: LLMNR, UPnP, DHCPv6. They run on c2; c asks, and drops all else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab.discovery_requests import SSDP
from lab.process import Process
from lab.topology import CLIENT2, Lab
from test_discovery_path import PEERS, Host

MINIDLNA = """
network_interface=eth0
port=8200
media_dir=/run/lab/media
db_dir=/run/lab/db
log_dir=/run/lab/db
friendly_name=answerer
inotify=no
root_container=B
"""
DNSMASQ = (
    *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0"),
    *("--dhcp-range=fd01::100,fd01::1ff,64,1h", "--dhcp-leasefile=/run/lab/leases", "--user=root"),
    *("--log-dhcp", "--log-facility=-", "--pid-file="),
)
LLMNR_QUERY = ("llmnr-query", "-I", "eth0", "-c", "4", "-i", "3000", "-t", "3000")
ENABLED = "[helpers.llmnr]\n[helpers.ssdp]\n[helpers.dhcpv6]\n"


@pytest.fixture(scope="module")
def bare() -> Iterator[Host]:
    with Lab() as lab:
        inside = lab.namespaces["c2"]
        inside.run("mkdir", "-p", "/run/lab/media", "/run/lab/db")
        inside.path("/run/lab/minidlna.conf").write_text(MINIDLNA)
        host = Host(lab)
        lab.popen("c2", "llmnrd", "-H", "answerer", "-i", "eth0", "-6")
        inside.popen("minidlnad", "-S", "-f", "/run/lab/minidlna.conf", "-P", "/run/lab/pid")
        lab.popen("c2", *DNSMASQ).wait_line("DHCPv6, IP range", 60)
        for port in (5355, 1900):
            inside.wait_listening("udp", port)
        inside.wait_listening("tcp", 8200)
        yield host


def name(host: Host, kind: str, *options: str) -> str:
    command = (*LLMNR_QUERY, "-T", kind, *options, "answerer")
    return host.lab.run("c", *command, check=False).stdout


def devices(host: Host, seconds: int) -> str:
    words = ("4", "239.255.255.250", "1900", "0", (SSDP + b"\r\n").hex(), str(seconds))
    return host.lab.run("c", *PEERS, "ask", *words, timeout=seconds + 30).stdout


def lease(host: Host) -> Process:
    return host.lab.popen(
        *("c", "dhclient", "-6", "-1", "-d", "-v", "-sf", "/bin/true"),
        *("-lf", "/run/lab/leases6", "-pf", "/run/lab/dhclient.pid", "eth0"),
    )


@pytest.fixture(scope="module")
def host(bare: Host) -> Host:
    asking = lease(bare)
    assert CLIENT2[4] not in name(bare, "A"), "the firewall lets it through without help"
    assert devices(bare, 4).strip() == "silence"
    assert not [line for line in asking.lines if "RCV: Advertise" in line]
    asking.stop()
    bare.start_daemon(ENABLED)
    return bare


@pytest.mark.parametrize(("kind", "options"), [("A", ()), ("A", ("-6",))])
def test_llmnrd(host: Host, kind: str, options: tuple[str, ...]) -> None:
    assert CLIENT2[4] in name(host, kind, *options)


def test_minidlna_is_found(host: Host) -> None:
    assert devices(host, 15).startswith(f"answer {CLIENT2[4]} ")


def test_an_address_from_dnsmasq(host: Host) -> None:
    asking = lease(host)
    asking.wait_line("RCV: Advertise message", 120)
    asking.wait_line("RCV: Reply message", 120)
    asking.stop()


def test_nothing_failed_inside(host: Host) -> None:
    assert not [line for line in host.daemon.lines if "failed" in line or "Traceback" in line]
    assert not [line for line in host.daemon.lines if "refused" in line]
