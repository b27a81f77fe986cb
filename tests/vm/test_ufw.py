"""The real ufw beside fwhelpers, as docs/ufw.md says: on a gateway, and on a host that searches for others.

ufw's commands open the control ports, so only the helper and ufw's rules for related connections make a
difference.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import discovery_hosts
from lab.clients import FTP_CASES, download, tftp_get
from lab.discovery_requests import SSDP
from lab.process import Process
from lab.servers import start_ftp, start_tftp
from lab.topology import Lab
from lab.ufw import EXAMPLE, Ufw

ENABLED = "[helpers.ftp]\n[helpers.tftp]\n"
SEARCH = SSDP + b"\r\n"
RELATED = (
    "-A ufw-before-forward -m conntrack --ctstate ESTABLISHED -j ACCEPT\n"
    "-A ufw-before-forward -m conntrack --ctstate RELATED -m helper --helper {} -j ACCEPT\n"
)
#: the kernel's helper, as ufw-framework(8) recommends it
TARGET = (
    "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n"
)


class Gateway:
    """The lab's gateway with ufw in place of the lab's firewall."""

    daemon: Process

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        start_ftp(lab)
        start_tftp(lab)
        self.ufw = Ufw(lab)
        self.ufw.route("tcp", 21)
        self.ufw.route("udp", 69)
        self.ufw.enable()

    def fetch(self, way: str = "EPSV", family: int = 4) -> bool:
        """Return whether a transfer comes through; the control connection must."""
        result = download(self.lab, way, family, timeout=20)
        assert "220 " in result.stderr, f"not even the control connection: {result.stderr}"
        return result.returncode == 0


@pytest.fixture(scope="module")
def bare() -> Iterator[Gateway]:
    with Lab() as lab:
        yield Gateway(lab)


@pytest.fixture(scope="module")
def running(bare: Gateway) -> Gateway:
    assert not bare.fetch()
    bare.daemon = bare.lab.start_fwhelpers(ENABLED)
    return bare


@pytest.fixture
def gateway(running: Gateway) -> Gateway:
    """With the rules of ufw's package, whatever a test has changed before."""
    running.ufw.restore()
    return running


@pytest.mark.parametrize(("way", "family"), FTP_CASES)
def test_the_rules_of_the_package_accept_what_ftp_expects(
    gateway: Gateway, way: str, family: int
) -> None:
    assert gateway.fetch(way, family)


@pytest.mark.parametrize(("way", "family"), [("EPSV", 4), ("PORT", 4), ("EPSV", 6), ("EPRT", 6)])
def test_the_example_accepts_ftp_and_tftp(gateway: Gateway, way: str, family: int) -> None:
    gateway.ufw.limit(EXAMPLE.read_text())
    assert gateway.fetch(way, family)
    assert tftp_get(gateway.lab, "curl", family).stdout == "served by tftp\n"
    report = gateway.ufw.check()
    assert "ufw-before-forward accepts related connections of fw-ftp, fw-tftp, fw-sip" in report


def test_rules_for_one_helper_do_not_accept_what_another_one_opens(gateway: Gateway) -> None:
    gateway.ufw.limit(RELATED.format("fw-tftp"))
    assert not gateway.fetch()
    assert tftp_get(gateway.lab, "curl").stdout == "served by tftp\n"
    gateway.ufw.limit(RELATED.format("fw-ftp"))
    assert gateway.fetch()
    assert tftp_get(gateway.lab, "curl", timeout=8).stdout == ""


def test_the_kernels_name_does_not_match_ours(gateway: Gateway) -> None:
    gateway.ufw.limit(RELATED.format("ftp"))
    assert not gateway.fetch()


def test_the_service_survives_what_ufw_does(gateway: Gateway) -> None:
    gateway.lab.run("g", "ufw", "disable")
    gateway.ufw.enable()
    assert gateway.fetch()
    assert gateway.daemon.returncode is None


def test_the_kernels_helper_wins_by_target_ct(gateway: Gateway) -> None:
    gateway.ufw.append(TARGET)
    gateway.lab.run("g", "conntrack", "-F", check=False)
    assert gateway.fetch()
    entries = gateway.lab.run("g", "conntrack", "-L", "-p", "tcp", "--dport", "21").stdout
    assert "helper=ftp" in entries
    assert "helper=fw-ftp" not in entries
    assert "assigns the kernel's ftp before ours" in gateway.ufw.check()
    # ufw's reload does not empty tables other than filter
    gateway.ufw.restore()
    assert "--helper ftp" in gateway.lab.run("g", "iptables", "-t", "raw", "-S").stdout
    assert "the table raw has rules with CT" in gateway.ufw.check()
    gateway.lab.run("g", "iptables", "-t", "raw", "-F")
    gateway.lab.run("g", "conntrack", "-F", check=False)
    assert gateway.fetch()
    entries = gateway.lab.run("g", "conntrack", "-L", "-p", "tcp", "--dport", "21").stdout
    assert "helper=fw-ftp" in entries


def test_a_host_searches_for_others(lab: Lab) -> None:
    discovery_hosts.wait_link_local(lab, "c", "c2")
    discovery_hosts.start_minidlna(lab)
    ufw = Ufw(lab, "c")
    ufw.enable()
    assert discovery_hosts.ask(lab, "239.255.255.250", 1900, SEARCH, 4) == "silence"
    lab.start_fwhelpers("[helpers.ssdp]\n", "c")
    assert discovery_hosts.ask(lab, "239.255.255.250", 1900, SEARCH, 15).startswith("answer ")
