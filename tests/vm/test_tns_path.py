"""Oracle Net redirects with a listener and a client of our own, as Oracle's server can't be had."""

from __future__ import annotations

import sys

import pytest
from lab import PROGRAMS
from lab.process import Process
from lab.topology import SERVER, Lab

PEER = str(PROGRAMS / "tns_peer.py")
TNS = "[helpers.tns]\n"
PORT = "2143"

#: the gateway under a name of another length, which the text must then have
LONG_DNAT = """
table inet nat {
    chain tns {
        type nat hook prerouting priority dstnat + 1;
        ip daddr 192.168.200.200 tcp dport 1521 dnat ip to 10.0.2.2
    }
}
"""


def start_listener(lab: Lab, family: int, form: str = "one") -> Process:
    """A listener of the test's own on s; `form` as in tns_peer.py."""
    lab.open("tcp", 1521)
    listener = lab.popen(
        "s", sys.executable, PEER, "listener", SERVER[family], PORT, form, name=f"tns{family}"
    )
    lab.namespaces["s"].wait_listening("tcp", 1521, family)
    return listener


def connect(lab: Lab, host: str, timeout: int = 30) -> Process:
    """A client of the test's own on c, which follows a redirect."""
    return lab.popen("c", sys.executable, PEER, "client", host, str(timeout), name="client")


def served(lab: Lab, host: str) -> str:
    """What the client was told, if it was served there."""
    client = connect(lab, host)
    client.wait_line("^data served by the dispatcher$")
    return client.wait_line("^redirected (.*)").group(1)


def port_line(host: str) -> str:
    return f"(ADDRESS=(PROTOCOL=tcp)(HOST={host})(PORT={PORT}))"


def test_without_the_helper_the_firewall_drops_it(lab: Lab) -> None:
    start_listener(lab, 4)
    client = connect(lab, lab.target(), timeout=5)
    client.wait_line(f"^redirected .*{PORT}")
    client.wait_line("^data failed")
    assert lab.dropped()


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "dnat", "both")],
)
def test_the_client_is_served_where_it_is_redirected(lab: Lab, kind: str) -> None:
    start_listener(lab, 4)
    start_listener(lab, 6)
    daemon = lab.start_fwhelpers(TNS)
    for family in (4, 6):
        assert served(lab, lab.target(family)) == port_line(lab.target(family))
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


@pytest.mark.nat("snat")
def test_an_address_of_another_length(lab: Lab) -> None:
    start_listener(lab, 4)
    lab.run("g", "ip", "address", "add", "192.168.200.200/32", "dev", "lan")
    lab.nft(LONG_DNAT)
    lab.start_fwhelpers(TNS)
    assert served(lab, "192.168.200.200") == port_line("192.168.200.200")


@pytest.mark.nat("dnat")
def test_the_text_in_a_packet_of_its_own(lab: Lab) -> None:
    start_listener(lab, 4, "two")
    lab.start_fwhelpers(TNS)
    assert served(lab, lab.target()) == port_line(lab.target())
