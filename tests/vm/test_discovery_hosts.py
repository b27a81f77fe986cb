"""Discovery with llmnrd, minidlna and dnsmasq on c2. c asks, and drops everything unsolicited."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import discovery_hosts
from lab.discovery_requests import SSDP
from lab.releases import why_absent
from lab.topology import CLIENT2, Lab
from test_discovery_path import Host

ENABLED = "[helpers.llmnr]\n[helpers.ssdp]\n[helpers.dhcpv6]\n"
SEARCH = SSDP + b"\r\n"


@pytest.fixture(scope="module")
def bare() -> Iterator[Host]:
    with Lab() as lab:
        host = Host(lab)
        if not why_absent("llmnrd"):
            discovery_hosts.start_llmnrd(lab)
        discovery_hosts.start_minidlna(lab)
        discovery_hosts.start_dnsmasq(lab)
        yield host


@pytest.fixture(scope="module")
def host(bare: Host) -> Host:
    lab = bare.lab
    client = None if why_absent("dhclient") else discovery_hosts.request_lease(lab)
    if not why_absent("llmnrd"):
        names = discovery_hosts.look_up_llmnr(lab, "A")
        assert CLIENT2[4] not in names, "the firewall accepts answers without a helper"
    assert discovery_hosts.ask(lab, "239.255.255.250", 1900, SEARCH, 4) == "silence"
    if client is not None:
        assert not [line for line in client.lines if "RCV: Advertise" in line]
        client.stop()
    bare.start_daemon(ENABLED)
    return bare


@pytest.mark.skipif(bool(why := why_absent("llmnrd")), reason=why)
@pytest.mark.parametrize(("kind", "options"), [("A", ()), ("A", ("-6",))])
def test_llmnrd_answers(host: Host, kind: str, options: tuple[str, ...]) -> None:
    assert CLIENT2[4] in discovery_hosts.look_up_llmnr(host.lab, kind, *options)


def test_minidlna_answers_a_search(host: Host) -> None:
    answer = discovery_hosts.ask(host.lab, "239.255.255.250", 1900, SEARCH, 15)
    assert answer.startswith(f"answer {CLIENT2[4]} ")


@pytest.mark.skipif(bool(why := why_absent("dhclient")), reason=why)
def test_dnsmasq_assigns_an_address(host: Host) -> None:
    client = discovery_hosts.request_lease(host.lab)
    client.wait_line("RCV: Advertise message")
    client.wait_line("RCV: Reply message")
    client.stop()


def test_nothing_failed_inside(host: Host) -> None:
    assert not [line for line in host.daemon.lines if "failed" in line or "Traceback" in line]
    assert not [line for line in host.daemon.lines if "refused" in line]
