"""IPsec through the gateway with strongSwan: its rules know IKE, and ESP as related traffic alone."""

from __future__ import annotations

import pytest
from lab.compare import Watch
from lab.ipsec import negotiate, start_strongswan, swanctl
from lab.topology import CLIENT, SERVER, Lab

IPSEC = "[helpers.ipsec]\n"

#: a packet of ESP with an SPI that nobody has negotiated
FORGED = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
socket.socket(family, socket.SOCK_RAW, 50).sendto(bytes(range(1, 65)), (sys.argv[1], 0))
"""


def test_without_the_helper_the_firewall_drops_esp(lab: Lab) -> None:
    lab.open("udp", 500)
    start_strongswan(lab, 2)
    negotiate(lab)
    assert lab.dropped() == 0
    assert not lab.ping("c", SERVER[4])
    assert lab.dropped()


@pytest.mark.parametrize(("version", "family"), [(1, 4), (2, 4), (2, 6)])
def test_esp_flows_once_it_is_negotiated(lab: Lab, version: int, family: int) -> None:
    lab.open("udp", 500)
    daemon = lab.start_fwhelpers(IPSEC)
    watch = Watch(lab)
    start_strongswan(lab, version, family)
    negotiate(lab)
    lines = [line for line in watch.take() if "[NEW]" in line]
    client, server = CLIENT[family], SERVER[family]
    ends = [(words[3], words[4]) for words in map(str.split, lines) if words[2] == "proto=50"]
    assert sorted(ends) == sorted(
        [(f"src={client}", f"dst={server}"), (f"src={server}", f"dst={client}")]
    )
    assert all("PERMANENT" in line for line in lines)
    assert lab.ping("s", client)  # the end that did not begin the exchange may be the first
    assert lab.ping("c", server)
    assert lab.dropped() == 0
    assert "INSTALLED, TRANSPORT" in swanctl(lab, "c", "--list-sas")
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]
    lab.run("c2", "python3", "-c", FORGED, server)
    assert lab.dropped() == 1  # a third host's


def test_esp_flows_although_ike_has_moved_to_port_4500(lab: Lab) -> None:
    lab.open("udp", 500)
    lab.open("udp", 4500)
    daemon = lab.start_fwhelpers(IPSEC)
    watch = Watch(lab)
    start_strongswan(lab, 2, mobike=True)
    negotiate(lab)
    lines = [line for line in watch.take() if "[NEW]" in line and "proto=50" in line]
    assert len(lines) == 2
    assert all("master-" in line and "dport=4500" in line for line in lines)
    assert lab.ping("s", CLIENT[4])
    assert lab.ping("c", SERVER[4])
    assert lab.dropped() == 0
    listed = swanctl(lab, "c", "--list-sas")
    assert "[4500]" in listed
    assert "TRANSPORT, ESP:" in listed  # and not in UDP
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def test_a_wrong_secret_opens_nothing(lab: Lab) -> None:
    lab.open("udp", 500)
    lab.start_fwhelpers(IPSEC)
    start_strongswan(lab, 2)
    wrong = lab.namespaces["c"].path("/run/swanctl.conf")
    wrong.write_text(wrong.read_text().replace("the lab's", "another"))
    swanctl(lab, "c", "--load-creds", "--clear", "--file", "/run/swanctl.conf")
    done = lab.run("c", "swanctl", "--initiate", "--child", "lab", "--timeout", "150", check=False)
    assert "AUTHENTICATION_FAILED" in done.stdout + done.stderr
    assert lab.run("g", "conntrack", "-L", "expect").stdout == ""
    lab.run("c", "python3", "-c", FORGED, SERVER[4])
    assert lab.dropped() == 1
