"""What conntrackd's rpc helper gets wrong (1.4.7 and later, src/helpers/rpc.c), done right: through the real engine."""

from __future__ import annotations

import pytest
from connection import Connection, payload_of
from fwhelpers_plugins.rpc import fwhelpers_helpers
from rpc_messages import TCP, UDP, callit, getaddr, getport, port, record, reply

from fwhelpers.engine.inspector import Active
from fwhelpers.sansio.xdr import string
from fwhelpers.testing.playbook import settings_of

(RPC,) = fwhelpers_helpers()
ACTIVE = Active(RPC, settings_of(RPC, {}))

V4 = ("10.0.1.2:900", "10.0.2.2:111")
V6 = ("[fd01::2]:900", "[fd02::2]:111")


def connection(l4: str, ends: tuple[str, str] = V4, **options: str) -> Connection:
    return Connection(RPC, l4, *ends, active=ACTIVE, **options)  # type: ignore[arg-type]


def test_many_questions_outstanding() -> None:
    # it remembers one: the second call overwrites the first
    c = connection("udp")
    for xid in range(8):
        c.c(getport(xid))
    for xid in reversed(range(8)):
        c.s(reply(xid, port(20000 + xid)))
    assert len(c.expected) == 8


def test_mountd_and_nfs_and_nlockmgr_from_one_socket() -> None:
    # its limit of one makes each GETPORT evict the former
    c = connection("udp")
    for xid, (program, prot, number) in enumerate(
        [(100005, UDP, 20048), (100003, TCP, 2049), (100021, TCP, 33007)]
    ):
        c.c(getport(xid, program, prot))
        c.s(reply(xid, port(number)))
    assert c.expected == [f"10.0.1.2 > 10.0.2.2:{p}" for p in (20048, 2049, 33007)]
    assert RPC.policies[0].max == 8


@pytest.mark.parametrize(("version", "procedure"), [(3, 3), (4, 3), (4, 9)])
@pytest.mark.parametrize("ends", [V4, V6], ids=["v4", "v6"])
def test_rpcbind_three_and_four(version: int, procedure: int, ends: tuple[str, str]) -> None:
    # it knows version 2 only, and so no IPv6
    c = connection("udp", ends)
    c.c(getaddr(7, version, procedure))
    c.s(reply(7, string(f"{c.server.host}.78.80".encode())))
    assert [e.rpartition(":")[2] for e in c.expected] == ["20048"]


def test_callit() -> None:
    c = connection("udp")
    c.c(callit(7))
    c.s(reply(7, port(20048) + string(b"")))
    assert c.expected == ["10.0.1.2 > 10.0.2.2:20048"]


def test_several_records_in_a_segment() -> None:
    # it skips four bytes of each segment and wants one message of the exact length
    c = connection("tcp")
    c.c(record(getport(1)) + record(getport(2)))
    c.s(record(reply(1, port(20001))) + record(reply(2, port(20002))))
    assert len(c.expected) == 2


def test_a_record_in_several_segments() -> None:
    c = connection("tcp")
    question, answer = record(getport(1)), record(reply(1, port(20001)))
    for at in range(0, len(question), 7):
        c.c(question[at : at + 7])
    for at in range(0, len(answer), 7):
        c.s(answer[at : at + 7])
    assert c.expected == ["10.0.1.2 > 10.0.2.2:20001"]


def test_a_record_in_several_fragments() -> None:
    c = connection("tcp")
    message = getport(1)
    c.c(record(message[:10], message[10:]))
    c.s(record(reply(1, port(20001))))
    assert c.expected == ["10.0.1.2 > 10.0.2.2:20001"]


def test_only_listed_programs() -> None:
    # it opens whatever is registered
    c = connection("udp")
    c.c(getport(7, 100232))
    c.s(reply(7, port(32773)))
    assert (c.expected, c.refused) == ([], ["G6"])


@pytest.mark.parametrize("number", [22, 111, 511, 514, 631, 3306])
def test_ports_of_other_services(number: int) -> None:
    c = connection("udp")
    c.c(getport(7))
    c.s(reply(7, port(number)))
    assert (c.expected, c.refused) == ([], ["G6"])


@pytest.mark.parametrize("number", [892, 1011, 2049])
def test_ports_that_rpc_services_really_take(number: int) -> None:
    c = connection("udp")
    c.c(getport(7))
    c.s(reply(7, port(number)))
    assert len(c.expected) == 1


def test_a_third_host_is_refused() -> None:
    """Of the answer the port counts, at the host that gave it: rpcbind names another address of its own at times."""
    c = connection("udp")
    c.c(getaddr(7))
    c.s(reply(7, string(b"10.0.2.9.78.80")))
    assert (c.expected, c.refused) == (["10.0.1.2 > 10.0.2.2:20048"], ["G5"])


def test_the_asked_address_is_a_translated_one() -> None:
    """A program that reads the port alone connects to the address that it has asked."""
    c = connection("udp", seen_server="192.0.2.8:111")
    c.c(getaddr(7))
    verdict = c.s(reply(7, string(b"10.0.2.9.78.80")))
    assert (c.expected, c.refused) == (["10.0.1.2 > 192.0.2.8:20048"], ["G5"])
    assert verdict.payload is None


def test_nat_follows_and_the_expectation_says_so() -> None:
    # with NAT it cannot work: the patched pointer is past the port, the packet not flagged
    c = connection("udp", seen_client="192.0.2.9:900", seen_server="192.0.2.8:111")
    c.c(getport(7, prot=TCP))
    verdict = c.s(reply(7, port(20048)))
    (expectation,) = c.maker.created
    assert expectation.fn == "nat-follow-master"
    assert c.expected == ["10.0.1.2 > 192.0.2.8:20048"]
    assert verdict.payload is None  # GETPORT names no address: nothing to rewrite


def test_a_taken_port_behind_nat_is_moved_and_told() -> None:
    c = connection("udp", seen_server="192.0.2.8:111")
    c.maker.errors = lambda e: 17 if e.tuple.dport == 20048 else 0
    c.c(getport(7, prot=TCP))
    assert payload_of(c.s(reply(7, port(20048))), 28) == reply(7, port(20049))


@pytest.mark.parametrize("l4", ["udp", "tcp"])
def test_an_address_behind_nat_is_rewritten(l4: str) -> None:
    c = connection(l4, seen_server="192.168.200.200:111")
    frame = record if l4 == "tcp" else bytes
    c.c(frame(getaddr(7)))
    verdict = c.s(frame(reply(7, string(b"10.0.2.2.78.80"))))
    new = reply(7, string(b"192.168.200.200.78.80"))
    assert payload_of(verdict, 40 if l4 == "tcp" else 28) == frame(new)
    assert c.expected == ["10.0.1.2 > 192.168.200.200:20048"]


def test_a_forged_reply_counts_once_and_in_its_direction() -> None:
    c = connection("udp")
    c.c(getport(7))
    c.c(reply(7, port(20048)))
    assert c.expected == []
    c.s(reply(7, port(20049)))
    c.s(reply(7, port(20050)))
    assert c.expected == ["10.0.1.2 > 10.0.2.2:20049"]


def test_state_outlives_the_worker() -> None:
    first = connection("udp")
    first.c(getport(7))
    second = connection("udp")
    second.info = first.info
    second.s(reply(7, port(20048)))
    assert second.expected == ["10.0.1.2 > 10.0.2.2:20048"]


def test_big_datagrams_pass() -> None:
    # one of more than 4096 bytes wedges its queue for ever
    c = connection("udp")
    assert c.c(bytes(6000)).accept
    assert c.s(bytes(60000)).accept
