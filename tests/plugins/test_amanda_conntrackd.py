"""What conntrackd's and the kernel's amanda helpers get wrong, done right: through the real engine.

conntrackd: src/helpers/amanda.c of 1.4.7 and later. Linux: net/netfilter/nf_conntrack_amanda.c, nf_nat_amanda.c.
"""

from __future__ import annotations

from errno import EEXIST

import pytest
from amanda_messages import CONNECT, PORTS, ack, datagram, prep, rep, req
from connection import Connection, FakeMaker, payload_of
from fwhelpers_plugins.amanda import fwhelpers_helpers

(AMANDA,) = fwhelpers_helpers()
V4 = ("10.0.1.2:855", "10.0.2.2:10080")
V6 = ("[fd01::2]:855", "[fd02::2]:10080")
HEADERS = {4: 28, 6: 48}  #: bytes of IP and UDP


def asked(ends: tuple[str, str] = V4, **options: object) -> Connection:
    connection = Connection(AMANDA, "udp", *ends, **options)  # type: ignore[arg-type]
    connection.c(req())
    connection.s(ack())
    return connection


def to(host: str, ports: dict[str, int] = PORTS, client: str = "10.0.1.2") -> list[str]:
    return [f"{client} > {host}:{port}" for port in ports.values()]


@pytest.mark.parametrize(
    ("ends", "host", "client"), [(V4, "10.0.2.2", "10.0.1.2"), (V6, "[fd02::2]", "fd01::2")]
)
def test_the_right_ports_and_all_of_them(ends: tuple[str, str], host: str, client: str) -> None:
    # conntrackd: the port of the request's socket, once; the kernel: three streams of four
    c = asked(ends)
    assert c.s(rep()).payload is None
    assert c.expected == to(host, client=client)


def test_they_are_one_shot_short_and_tcp() -> None:
    # conntrackd and the kernel: 180 s
    c = asked()
    c.s(rep())
    assert {
        (expectation.flags, expectation.timeout, expectation.tuple.l4)
        for expectation in c.maker.created
    } == {(0, 60, 6)}


def test_unsolicited() -> None:
    # both take the keyword from any datagram of the asked host
    c = Connection(AMANDA, "udp", *V4)
    c.s(rep())
    c.s(datagram("ACK", CONNECT))
    c.s(prep(CONNECT))
    assert (c.expected, c.refused) == ([], ["G4"])


def test_the_keyword_anywhere() -> None:
    # both search all of the text
    c = asked()
    c.s(rep("OPTIONS ;\nERROR [I can't CONNECT DATA 22 ]\n"))
    c.s(rep("ERROR\nCONNECT DATA 50010\n"))
    assert c.expected == []


def test_the_requester_announces_nothing() -> None:
    c = asked()
    c.c(rep())
    assert c.expected == []


@pytest.mark.parametrize("port", [0, 1, 22, 1023, 3306, 5432])
def test_ports_of_other_services(port: int) -> None:
    c = asked()
    c.s(rep(f"CONNECT DATA {port} MESG 50011\n"))
    assert (c.expected, c.refused) == (["10.0.1.2 > 10.0.2.2:50011"], ["G6"])


def test_numbers_that_are_no_ports() -> None:
    # `bsdudp` carries these streams in the first one's connection; in 16 bits 499999 would be port 41247
    c = asked()
    c.s(rep("CONNECT DATA 50047 MESG 499999 INDEX 499998 STATE 499997\n"))
    assert (c.expected, c.refused) == (["10.0.1.2 > 10.0.2.2:50047"], [])


def test_the_services_of_a_flow_one_after_the_other() -> None:
    c = Connection(AMANDA, "udp", *V4)
    for number, service in enumerate(("noop", "selfcheck", "sendsize", "sendbackup")):
        handle = f"000-{number:08x}"
        c.c(req(service, handle))
        c.s(rep(CONNECT if service == "sendbackup" else "OPTIONS ;\n", handle))
        c.c(ack(handle))
    assert c.expected == to("10.0.2.2")


def test_state_outlives_the_worker() -> None:
    first, second = asked(), Connection(AMANDA, "udp", *V4)
    second.info = first.info
    second.s(rep())
    assert second.expected == to("10.0.2.2")


# NAT: conntrackd writes its wrong number over the places where the ports stood before the first was rewritten


@pytest.mark.parametrize("family", [4, 6])
def test_dnat_expects_what_the_requester_was_told(family: int) -> None:
    ends, vip, inner = {
        4: (V4, "192.168.200.200:10080", "10.0.1.2"), 6: (V6, "[2001:db8::1]:10080", "fd01::2")
    }[family]  # fmt: skip
    c = asked(ends, seen_server=vip)
    assert c.s(rep()).payload is None  # no address stands in it, and the ports are free
    assert c.expected == to(vip.rpartition(":")[0], client=inner)
    assert [expectation.nat.sport for expectation in c.maker.created if expectation.nat] == list(
        PORTS.values()
    )
    assert {expectation.fn for expectation in c.maker.created} == {"nat-follow-master"}


@pytest.mark.parametrize("ends", [V4, V6])
def test_snat_rewrites_nothing(ends: tuple[str, str]) -> None:
    masked = "192.0.2.9:600" if ends == V4 else "[2001:db8::9]:600"
    c = asked(ends, seen_client=masked)
    assert c.s(rep()).payload is None
    assert [expectation.tuple.dport for expectation in c.maker.created] == list(PORTS.values())
    assert all(expectation.nat for expectation in c.maker.created)


@pytest.mark.parametrize("family", [4, 6])
def test_a_taken_port_is_moved_and_told(family: int) -> None:
    ends, vip = {4: (V4, "192.168.200.200:10080"), 6: (V6, "[2001:db8::1]:10080")}[family]
    c = asked(ends, seen_server=vip, maker=Clashing(50011))
    assert payload_of(c.s(rep()), HEADERS[family]) == rep(CONNECT.replace("50011", "50012"))
    assert [expectation.tuple.dport for expectation in c.maker.created] == [
        50010,
        50012,
        50013,
        50014,
    ]
    assert [expectation.nat.sport for expectation in c.maker.created if expectation.nat] == list(
        PORTS.values()
    )


@pytest.mark.parametrize("family", [4, 6])
def test_a_moved_port_that_is_longer(family: int) -> None:
    # nothing but UDP counts a datagram's bytes, so it may grow, with IPv6 too
    ends, vip = {4: (V4, "192.168.200.200:10080"), 6: (V6, "[2001:db8::1]:10080")}[family]
    c = asked(ends, seen_server=vip, maker=Clashing(9998, 9999))
    low = "CONNECT DATA 9998 MESG 9999 INDEX -1 STATE 9990\nOPTIONS ;\n"
    raised = "CONNECT DATA 10000 MESG 10001 INDEX -1 STATE 9990\nOPTIONS ;\n"
    assert payload_of(c.s(rep(low)), HEADERS[family]) == rep(raised)
    assert [expectation.tuple.dport for expectation in c.maker.created] == [10000, 10001, 9990]


def test_a_reply_sent_again_is_rewritten_again() -> None:
    c = asked(seen_server="192.168.200.200:10080", maker=Clashing(50011))
    first = payload_of(c.s(rep()), 28)
    assert payload_of(c.s(rep()), 28) == first == rep(CONNECT.replace("50011", "50012"))


def test_a_stream_that_finds_no_port_is_told_of() -> None:
    c = asked(seen_server="192.168.200.200:10080", maker=Clashing(*range(50011, 50012 + 64)))
    assert c.s(rep("CONNECT DATA 50010 MESG 50011\n")).payload is None
    assert ([expectation.tuple.dport for expectation in c.maker.created], c.refused) == (
        [50010],
        ["G15"],
    )


class Clashing(FakeMaker):
    """Other connections' expectations, and one's own, are in the way."""

    def __init__(self, *ports: int) -> None:
        super().__init__()
        self.errors = lambda e: (
            EEXIST
            if e.tuple.dport in (*ports, *(expectation.tuple.dport for expectation in self.created))
            else 0
        )
