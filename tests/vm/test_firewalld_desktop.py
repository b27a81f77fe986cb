"""A laptop behind the real firewalld finds the devices of its link, with no port open; in the zones that say so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab.discovery_requests import REQUESTS, SSDP
from lab.firewalld import PACKAGING, Firewalld
from lab.process import wait_until
from lab.topology import CLIENT2, Lab
from test_discovery_path import PEERS

DROP_IN = (PACKAGING / "conf.d" / "desktop.toml").read_text()
BJNP = b"BJNP\1\1\0\0\0\0\0\0\0\0\0\0"
REQUESTS = {
    name: REQUESTS[name]
    for name in ("ssdp", "ssdp-v6", "wsd", "mdns", "llmnr", "netbios-ns", "snmp", "slp")
} | {"bjnp": ("bjnp", 4, "10.0.1.255", 8612, 0, BJNP)}


class Laptop:
    """c with firewalld; the devices are on c2."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.firewalld = Firewalld(lab, "c")
        self.firewalld.start()
        for ns in ("c", "c2"):
            wait_until(lambda ns=ns: self.settled(ns), f"{ns} has a link-local address")
        specs = {
            f"{family},{'' if group[-3:] == '255' else group},{port}"
            for _, family, group, port, _, _ in REQUESTS.values()
        }
        self.devices = lab.popen("c2", *PEERS, "answer", *sorted(specs), name="devices")
        self.devices.wait_line("^listening$")

    def settled(self, ns: str) -> bool:
        listing = self.lab.run(ns, "ip", "-6", "address", "show", "dev", "eth0").stdout
        return "fe80::" in listing and "tentative" not in listing

    def finds(self, request_name: str, seconds: float = 15, extra: bytes = b"") -> bool:
        """Ask; does an answer come?"""
        _, family, group, port, sport, request = REQUESTS[request_name]
        words = (str(family), group, str(port), str(sport), (request + extra).hex(), str(seconds))
        before = len(self.devices.lines)
        answer = self.lab.run("c", *PEERS, "ask", *words, timeout=seconds + 30).stdout
        self.devices.wait_line("^answered", after=before)
        return answer.startswith("answer ")

    def start(self, toml: str) -> None:
        self.daemon = self.firewalld.start_fwhelpers(toml)

    def change(self, *arguments: str) -> None:
        before = len(self.daemon.lines)
        self.firewalld.cmd(*arguments)
        self.daemon.wait_line(r"^fwhelpers: (firewalld|NetworkManager) \w+.*: ", after=before)


@pytest.fixture(scope="module")
def bare() -> Iterator[Laptop]:
    with Lab() as lab:
        yield Laptop(lab)


@pytest.fixture(scope="module")
def laptop(bare: Laptop) -> Laptop:
    for request_name in ("ssdp", "netbios-ns", "mdns"):
        assert not bare.finds(request_name, 3), "firewalld lets it through without help"
    bare.start(DROP_IN)
    return bare


@pytest.mark.parametrize("request_name", REQUESTS)
def test_with_the_drop_in_devices_are_found(laptop: Laptop, request_name: str) -> None:
    assert laptop.finds(request_name)


def test_no_port_is_open(laptop: Laptop) -> None:
    lab, firewalld = laptop.lab, laptop.firewalld
    assert firewalld.cmd("--list-ports").stdout.strip() == ""
    firewalld.cmd("--add-port=20000/udp")
    listener = lab.popen("c", *PEERS, "receive", "4,,1900", "4,,5353", "4,,20000", name="listener")
    listener.wait_line("^listening$")
    for port in ("1900", "5353", "20000"):
        lab.run("c2", *PEERS, "ask", "4", "10.0.1.2", port, "0", SSDP.hex(), "0.1")
    listener.wait_line(rf"^received 4,,20000 {CLIENT2[4]} ")
    assert len(listener.lines) == 2
    listener.stop()
    firewalld.cmd("--remove-port=20000/udp")


def test_a_stranger_and_a_late_answer_are_dropped(laptop: Laptop) -> None:
    laptop.lab.run("c2", "ip", "address", "add", "192.0.2.77/32", "dev", "eth0")
    laptop.lab.run("c", "ip", "route", "add", "192.0.2.77/32", "dev", "eth0")
    assert not laptop.finds("ssdp", 4, b"X-FROM: 192.0.2.77\r\n\r\n")
    assert not laptop.finds("ssdp", 25, b"X-LATE: 15\r\n\r\n")


def test_by_zone_instead(laptop: Laptop) -> None:
    """At home it looks around, abroad it does not."""
    laptop.daemon.stop()
    laptop.start("")
    assert not laptop.finds("ssdp", 3)
    laptop.firewalld.cmd("--zone=home", "--add-service=fw-discovery")
    assert not laptop.finds("ssdp", 3)
    laptop.change("--zone=home", "--change-interface=eth0")
    assert laptop.finds("ssdp")
    assert laptop.finds("bjnp")
    laptop.change("--zone=public", "--change-interface=eth0")
    assert not laptop.finds("ssdp", 3)


def test_nothing_failed_inside(laptop: Laptop) -> None:
    assert not [line for line in laptop.daemon.lines if "Traceback" in line or "error" in line]
