"""Discovery on a host of its own: its firewall drops what it has not asked for, and the answers come all the same.

fwhelpers runs on c, the answerers on c2; both on the same link. Nothing is forwarded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from fwhelpers_plugins.discovery import fwhelpers_helpers
from lab import PROGRAMS
from lab.discovery_requests import REQUESTS, SSDP
from lab.process import Process, wait_until
from lab.topology import CLIENT, CLIENT2, Lab

PEERS = (sys.executable, str(PROGRAMS / "discoverers.py"))

FIREWALL = """
table inet host {
    counter unasked { }
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state established,related accept
        meta l4proto ipv6-icmp accept
        ip protocol igmp accept
        udp dport 20000 accept
        counter name unasked
    }
}
"""

IDENTITY = (
    b'{"id":1700000000000,"type":"kdeconnect.identity","body":{"deviceId":"_0a6dc791_","deviceName":"c",'
    b'"deviceType":"desktop","protocolVersion":7,"incomingCapabilities":[],"outgoingCapabilities":[],"tcpPort":%d}}\n'
)
ANNOUNCES = "kdeconnect" in {helper.name for helper in fwhelpers_helpers()}

HELPERS = sorted({helper for helper, *_ in REQUESTS.values()}) + ["kdeconnect"] * ANNOUNCES
ENABLED = "".join(f"[helpers.{name}]\n" for name in HELPERS)


class Host:
    """c with its firewall."""

    daemon: Process

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        for ns in ("c", "c2"):
            wait_until(
                lambda ns=ns: (
                    "fe80::" in (listing := self.addresses(ns)) and "tentative" not in listing
                ),
                f"{ns} has a link-local address",
            )
        lab.nft(FIREWALL, "c")

    def start_daemon(self, toml: str) -> None:
        self.daemon = self.lab.start_fwhelpers(toml, "c")

    def start_answerer(self) -> None:
        """On c2, for all that is asked here."""
        specs = {
            f"{family},{'' if group[-3:] == '255' else group},{port}"
            for _, family, group, port, _, _ in REQUESTS.values()
        }
        self.answerer = self.lab.popen("c2", *PEERS, "answer", *sorted(specs), name="answerer")
        self.answerer.wait_line("^listening$")

    def addresses(self, ns: str) -> str:
        return self.lab.run(ns, "ip", "-6", "address", "show", "dev", "eth0").stdout

    def ask(self, request_name: str, seconds: float = 15, extra: bytes = b"") -> str:
        _, family, group, port, sport, request = REQUESTS[request_name]
        words = (str(family), group, str(port), str(sport), (request + extra).hex(), str(seconds))
        before = len(self.answerer.lines)
        answer = self.lab.run("c", *PEERS, "ask", *words, timeout=seconds + 30).stdout.strip()
        self.answerer.wait_line("^answered", after=before)
        return answer

    def expectations(self) -> str:
        return self.lab.run("c", "conntrack", "-L", "expect").stdout


@pytest.fixture(scope="module")
def bare() -> Iterator[Host]:
    with Lab() as lab:
        new_host = Host(lab)
        new_host.start_answerer()
        yield new_host


@pytest.fixture(scope="module")
def host(bare: Host) -> Host:
    for request_name in ("ssdp", "netbios-ns", "mdns-v6"):
        assert bare.ask(request_name, 3) == "silence", "the firewall lets it through without help"
    bare.start_daemon(ENABLED)
    return bare


@pytest.mark.parametrize("request_name", REQUESTS)
def test_the_answer_arrives(host: Host, request_name: str) -> None:
    assert host.ask(request_name).startswith("answer ")


@pytest.mark.skipif(not ANNOUNCES, reason="no row announces a port yet")
@pytest.mark.parametrize("destination", ["10.0.1.255", CLIENT2[4]], ids=["all", "one"])
@pytest.mark.parametrize(("announced", "tried"), [(1716, 1716), (1716, 1717)])
def test_who_hears_an_announcement_may_connect(
    host: Host, announced: int, tried: int, destination: str
) -> None:
    lab = host.lab
    visitor = lab.popen("c2", *PEERS, "connect", "", str(tried), "1716", name="visitor")
    visitor.wait_line("^listening$")
    words = (destination, "1716", str(announced), (IDENTITY % announced).hex(), "15")
    answer = lab.run("c", *PEERS, "announce", *words, timeout=60).stdout.strip()
    assert answer == (f"connected {CLIENT2[4]}" if announced == tried else "silence")
    visitor.wait_line("^(connected|failed)")


def test_the_hosts_own_copy_arrives_too(host: Host) -> None:
    """What goes to a group or to everybody is cloned for the host itself: the queue must not lose the clone."""
    lab = host.lab
    lab.nft("insert rule inet host input udp dport { 1900, 137 } accept", "c")
    try:
        specs = ("4,239.255.255.250,1900", "4,,137")
        local: Process = lab.popen("c", *PEERS, "receive", *specs, name="own-copy")
        local.wait_line("^listening$")
        assert host.ask("ssdp").startswith("answer")
        local.wait_line(rf"^received 4,239\.255\.255\.250,1900 {CLIENT[4]} ")
        assert host.ask("netbios-ns").startswith("answer")
        local.wait_line(rf"^received 4,,137 {CLIENT[4]} ")
        local.stop()
    finally:
        lab.run("c", "nft", "flush", "chain", "inet", "host", "input")
        lab.run("c", "nft", "delete", "table", "inet", "host")
        lab.nft(FIREWALL, "c")


def test_somebody_elses_request_opens_nothing(host: Host) -> None:
    lab = host.lab
    before = host.expectations()
    listener: Process = lab.popen(
        "c", *PEERS, "receive", "4,239.255.255.250,20000", name="received"
    )
    listener.wait_line("^listening$")
    for group, port in (("239.255.255.250", "1900"), ("239.255.255.250", "20000")):
        words = ("4", group, port, "0", SSDP.hex(), "0.1")
        lab.run("c2", *PEERS, "ask", *words)
    listener.wait_line(
        rf"^received 4,239\.255\.255\.250,20000 {CLIENT2[4]} "
    )  # so the one before came too
    assert host.expectations().count("10.0.1.3") == before.count("10.0.1.3")
    listener.stop()


def test_an_answer_from_elsewhere_is_dropped(host: Host) -> None:
    lab = host.lab
    lab.run("c2", "ip", "address", "add", "192.0.2.77/32", "dev", "eth0")
    lab.run("c", "ip", "route", "add", "192.0.2.77/32", "dev", "eth0")
    assert host.ask("ssdp", 4, b"X-FROM: 192.0.2.77\r\n\r\n") == "silence"


def test_a_late_answer_is_dropped(host: Host) -> None:
    assert host.ask("ssdp", 25, b"X-LATE: 15\r\n\r\n") == "silence"


def test_nothing_failed_inside(host: Host) -> None:
    daemon = host.daemon
    assert not [line for line in daemon.lines if "failed" in line or "Traceback" in line]
    assert not [line for line in daemon.lines if "refused" in line]
