"""What conntrackd's tns helper gets wrong (1.4.7 and later, src/helpers/tns.c), done right: through the real engine."""

from __future__ import annotations

import pytest
from connection import Connection, payload_of
from fwhelpers_plugins.tns import fwhelpers_helpers
from tns_messages import (
    DESCRIPTOR,
    REFUSE,
    accept,
    address,
    connect,
    packet,
    redirect,
    redirect_apart,
)

from fwhelpers.api import Endpoint
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.engine.inspector import Active
from fwhelpers.testing.playbook import settings_of

(TNS,) = fwhelpers_helpers()
V4 = ("10.0.1.2:40000", "10.0.2.2:1521")
V6 = ("[fd01::2]:40000", "[fd02::2]:1521")
VIP = "192.168.200.200:1521"
CLUSTER = Limits(addresses=(Prefix(Endpoint.parse("10.0.2.0").addr, 24),))


def asked(
    ends: tuple[str, str] = V4,
    limits: Limits | None = None,
    hosts: dict[str, str] | None = None,
    **options: str,
) -> Connection:
    active = Active(TNS, settings_of(TNS, {"hosts": hosts or {}}), limits or Limits())
    connection = Connection(TNS, "tcp", *ends, active=active, **options)  # type: ignore[arg-type]
    connection.c(connect())
    return connection


def test_upper_and_lower_case() -> None:
    c = asked()
    c.s(redirect(address().lower()))
    assert c.expected == ["10.0.1.2 > 10.0.2.2:2143"]


def test_host_names() -> None:
    # it knows dotted quads only
    c = asked(hosts={"db1": "10.0.2.2"})
    c.s(redirect(address("DB1")))
    assert c.expected == ["10.0.1.2 > 10.0.2.2:2143"]


def test_ipv6() -> None:
    c = asked(V6)
    c.s(redirect(address("fd02::2")))
    assert c.expected == ["fd01::2 > [fd02::2]:2143"]


def test_a_text_split_over_segments() -> None:
    # it looks at single packets
    c = asked()
    text = redirect(address())
    for at in range(0, len(text), 7):
        c.s(text[at : at + 7])
    assert c.expected == ["10.0.1.2 > 10.0.2.2:2143"]


def test_lengths_are_obeyed() -> None:
    # it ignores TNS's lengths, and searches until the buffer's end
    c = asked()
    c.s(packet(REFUSE, b"\1\0\0\0") + address())
    assert c.expected == []


@pytest.mark.parametrize("stated", [True, False])
def test_long_lengths(stated: bool) -> None:
    c = asked()
    c.s(redirect_apart(address(), wide=True, stated=stated))
    assert c.expected == ["10.0.1.2 > 10.0.2.2:2143"]


def test_a_third_host_is_refused() -> None:
    # it opens whatever the text names
    c = asked()
    c.s(redirect(address("10.0.2.9")))
    assert (c.expected, c.refused) == ([], ["G5"])


def test_nodes_of_a_cluster_if_configured() -> None:
    c = asked(limits=CLUSTER, hosts={"node2-vip": "10.0.2.12"})
    c.s(redirect(address("10.0.2.11", 1521)))
    c.c(connect())
    c.s(redirect(address("node2-vip", 1521)))
    assert c.expected == ["10.0.1.2 > 10.0.2.11:1521", "10.0.1.2 > 10.0.2.12:1521"]


@pytest.mark.parametrize("port", [0, 22, 1023, 3306, 3389])
def test_ports_of_other_services(port: int) -> None:
    c = asked()
    c.s(redirect(address(port=port)))
    assert (c.expected, c.refused) == ([], ["G6"])


def test_unsolicited() -> None:
    c = Connection(TNS, "tcp", *V4, active=Active(TNS, settings_of(TNS, {})))
    c.s(redirect(address()))
    assert c.expected == []


def test_bulk_leaves_the_queue() -> None:
    # it inspects each packet of the session that follows
    c = asked()
    assert c.s(accept()).done


def test_one_shot() -> None:
    c = asked()
    c.s(redirect(address()))
    (expectation,) = c.maker.created
    assert (expectation.flags, expectation.timeout) == (0, 60)


# NAT: it rewrites the text but expects the connection to the inner address


def test_dnat_expects_the_translated_address() -> None:
    c = asked(seen_server=VIP)
    verdict = c.s(redirect(address() + b"\0" + DESCRIPTOR))
    assert payload_of(verdict) == redirect(address("192.168.200.200") + b"\0" + DESCRIPTOR)
    assert c.expected == ["10.0.1.2 > 192.168.200.200:2143"]
    assert c.maker.created[0].fn == "nat-follow-master"


def test_a_retransmission_is_rewritten_again() -> None:
    c = asked(seen_server=VIP)
    text = c.packet(redirect(address()), True)
    first, again = c.send(text), c.send(text)
    assert payload_of(first) == payload_of(again) == redirect(address("192.168.200.200"))


def test_a_taken_port_is_replaced_in_the_text() -> None:
    c = asked(seen_server=VIP)
    c.maker.errors = lambda e: 17 if e.tuple.dport < 2145 else 0
    verdict = c.s(redirect(address()))
    assert payload_of(verdict) == redirect(address("192.168.200.200", 2145))


def test_snat_rewrites_nothing() -> None:
    c = asked(seen_client="192.0.2.9:40000")
    assert c.s(redirect(address())).payload is None
    assert c.expected == ["10.0.1.2 > 10.0.2.2:2143"]


def test_dnat_with_the_text_in_data() -> None:
    c = asked(seen_server="10.0.9.2:1521")
    whole = redirect_apart(address())
    c.s(whole[:10])
    assert payload_of(c.s(whole[10:])) == redirect_apart(address("10.0.9.2"))[10:]
    assert c.expected == ["10.0.1.2 > 10.0.9.2:2143"]


def test_dnat_with_the_text_in_data_and_a_longer_address() -> None:
    # the length before it has passed: nothing is better than a broken packet
    c = asked(seen_server=VIP)
    verdict = c.s(redirect_apart(address()))
    assert (c.expected, verdict.payload, verdict.done) == ([], None, True)


def test_dnat_of_ipv6_keeps_the_length() -> None:
    c = asked(V6, seen_server="[fd01::1]:1521")
    text = b"(ADDRESS=(PROTOCOL=tcp)(HOST=fd02::2)(PORT=2143))"
    assert payload_of(c.s(redirect(text)), 60) == redirect(text.replace(b"fd02::2", b"fd01::1"))
    c = asked(V6, seen_server="[2001:db8::1]:1521")
    c.s(redirect(text))
    assert (c.expected, c.refused) == ([], ["G15"])


# state


def test_state_outlives_the_worker() -> None:
    first, second = asked(), Connection(TNS, "tcp", *V4, active=Active(TNS, settings_of(TNS, {})))
    second.info = first.info
    second.seq = first.seq
    second.s(redirect(address()))
    assert second.expected == ["10.0.1.2 > 10.0.2.2:2143"]


def test_big_packets_pass() -> None:
    # one of more than 4096 bytes wedges its queue for ever
    c = asked()
    assert c.c(packet(6, bytes(6000))).accept
    assert c.s(packet(6, bytes(6000))).accept
