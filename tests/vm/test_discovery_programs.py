"""Discovery with Samba, avahi and wsdd on c2, and a protocol that the configuration declares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab import discovery_hosts
from lab.discovery_hosts import PEERS
from lab.discovery_requests import WSD
from lab.releases import why_absent
from lab.topology import CLIENT2, Lab
from test_discovery_path import Host

QUERY = b"\x12\x34\0\0\0\1\0\0\0\0\0\0\x08answerer\5local\0\0\1\0\1"
TOML = """
[helpers.mdns]
[helpers.netbios-ns]
[helpers.wsd]
[discovery.disks]
port = 7000
groups = ["239.1.2.3"]
broadcast = true
signature = ["0:4449534b"]
reply_port = "any"
window = 8
"""


@pytest.fixture(scope="module")
def bare() -> Iterator[Host]:
    with Lab() as lab:
        host = Host(lab)
        discovery_hosts.start_samba(lab)
        discovery_hosts.start_avahi(lab)
        if not why_absent("wsdd"):
            discovery_hosts.start_wsdd(lab)
        yield host


@pytest.fixture(scope="module")
def host(bare: Host) -> Host:
    answered = discovery_hosts.look_up_netbios(bare.lab)
    assert not answered, "the firewall accepts answers without a helper"
    assert discovery_hosts.ask(bare.lab, "224.0.0.251", 5353, QUERY, 3) == "silence"
    bare.start_daemon(TOML)
    return bare


def test_nmbd_answers_nmblookup(host: Host) -> None:
    assert discovery_hosts.look_up_netbios(host.lab)


def test_avahi_answers_a_one_shot_query(host: Host) -> None:
    answer = discovery_hosts.ask(host.lab, "224.0.0.251", 5353, QUERY)
    assert answer.startswith(f"answer {CLIENT2[4]} 5353")


@pytest.mark.skipif(bool(why := why_absent("wsdd")), reason=why)
def test_wsdd_answers_a_probe(host: Host) -> None:
    answer = discovery_hosts.ask(host.lab, "239.255.255.250", 3702, WSD)
    assert answer.startswith(f"answer {CLIENT2[4]}")


@pytest.mark.parametrize("address", ["239.1.2.3", "10.0.1.255"])
def test_protocol_declared_in_the_configuration(host: Host, address: str) -> None:
    lab = host.lab
    listener = "4,239.1.2.3,7000" if address.startswith("239") else "4,,7000"
    answerer = lab.popen("c2", *PEERS, "answer", listener, name="disks")
    answerer.wait_line("^listening$")
    answer = discovery_hosts.ask(lab, address, 7000, b"DISK X-PORT: 7001")
    assert answer.startswith(f"answer {CLIENT2[4]} 7001")
    assert discovery_hosts.ask(lab, address, 7000, b"TAPE X-PORT: 7001", 3) == "silence"
    answerer.wait_line("^answered", after=len(answerer.lines) - 1)
    answerer.stop()


def test_nothing_failed_inside(host: Host) -> None:
    assert not [line for line in host.daemon.lines if "failed" in line or "Traceback" in line]
    assert not [line for line in host.daemon.lines if "refused" in line]
