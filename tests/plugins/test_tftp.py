"""The TFTP parser, alone and in the engine; comments name what conntrackd's helper does wrong."""

from __future__ import annotations

import pytest
from connection import Connection, FakeMaker
from fwhelpers_plugins.tftp import fwhelpers_helpers
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Expect
from fwhelpers.engine.guard import Prefix
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.engine.verdict import Report
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check, check_restart
from fwhelpers.testing.playbook import Message

(TFTP,) = fwhelpers_helpers()
RRQ = b"\0\1boot/file\0octet\0"
WRQ = b"\0\2file\0netascii\0"
OPTIONS = b"blksize\0001468\0tsize\x000\0"

datagrams = st.one_of(
    st.sampled_from(
        [RRQ, WRQ, RRQ + OPTIONS, b"", b"\0", b"\0\1", b"\0\3\0\1data", b"\0\1a\0octet"]
    ),
    st.binary(max_size=600),
    st.binary(max_size=60).map(b"\0\1".__add__),
)
scripts = st.lists(st.builds(Message, datagrams, st.booleans()), max_size=20)


@given(scripts, st.sampled_from([4, 6]))
def test_fuzz(script: list[Message], family: int) -> None:
    outcome = check(TFTP, script, family=family)
    assert "ParseError" not in outcome
    assert len(outcome) <= sum(not message.reply for message in script)


@given(scripts)
def test_another_worker_can_take_over_at_any_time(script: list[Message]) -> None:
    check_restart(TFTP, script)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    ("data", "trigger"),
    [
        (RRQ, "RRQ"), (WRQ, "WRQ"), (RRQ + OPTIONS, "RRQ"), (b"\0\1f\0OcTeT\0", "RRQ"),
        (b"\0\2f\0MAIL\0", "WRQ"), (RRQ + b"ethernetaddress\0\0\2\0\xff\n\0\0blksize\x001428\0", "RRQ"),
        (RRQ + b"blksize\0", "RRQ"), (RRQ + b"rollover\0\0", "RRQ"), (RRQ + b"\0", "RRQ"),
        (RRQ + bytes(400), "RRQ"), (b"\0\1\xc3\xa4 b\n\0octet\0", "RRQ"),
    ],
)  # fmt: skip
def test_requests(data: bytes, trigger: str, family: int) -> None:
    play = Playbook(TFTP, family=family)
    assert play >> client(data) << Expect(play.server, play.client, trigger=trigger)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0", b"\0\1", b"\0\1\0", b"\0\1file", b"\0\1file\0", b"\0\1file\0octet", b"\0\1\0octet\0",
        b"\0\1file\0\0", b"\0\1file\0binary\0", b"\0\1file\0octets\0", b"\1\1file\0octet\0",
        b"\0\3file\0octet\0", b"\0\0file\0octet\0", RRQ + b"blksize\x001468", RRQ + bytes(600),
        RRQ + b"\0001\0", b"\0\3\0\1data", b"\0\4\0\1", b"\0\5\0\1no\0", b"\0\6blksize\x00512\0",
        b"\0\1" + b"f" * 600 + b"\0octet\0",
    ],
)  # fmt: skip
def test_other_datagrams(data: bytes) -> None:
    # conntrackd looks at two bytes only, whatever follows or doesn't
    assert Playbook(TFTP) >> client(data)


def test_a_bad_datagram_does_not_end_the_flow() -> None:
    assert Playbook(TFTP) >> client(b"junk") >> client(RRQ) << Expect


def test_requests_from_the_server_are_ignored() -> None:
    # conntrackd takes requests of either direction
    assert Playbook(TFTP) >> server(RRQ) >> server(WRQ)


def test_a_repeated_request_asks_again() -> None:
    play = Playbook(TFTP) >> client(RRQ) << Expect
    assert play >> client(RRQ) << Expect


def connection(server: str = "10.0.2.2:69", **addresses: str) -> Connection:
    return Connection(TFTP, "udp", "10.0.1.2:40000", server, **addresses)  # type: ignore[arg-type]


def test_one_shot_and_short() -> None:
    c = connection()
    c.c(RRQ)
    (expectation,) = c.maker.created
    assert c.expected == ["10.0.2.2 > 10.0.1.2:40000"]
    assert (expectation.flags, expectation.timeout) == (0, 30)


def test_the_first_packet_takes_it_along() -> None:
    # the connection is not in the table yet: only the verdict can carry it
    c = connection()
    c.extra = {"status": 0}
    verdict = c.c(RRQ)
    assert c.maker.created == []
    assert verdict.expectation is not None
    assert verdict.expectation.tuple.dport == 40000


@pytest.mark.parametrize("confirmed", [True, False])
def test_behind_masquerade(confirmed: bool) -> None:
    # conntrackd's expectation has no NAT: the answer to the gateway is lost
    c = connection(seen_client="192.0.2.9:1024")
    c.extra = {"status": 8 if confirmed else 0}
    verdict = c.c(RRQ)
    expectation = c.maker.created[0] if confirmed else verdict.expectation
    assert expectation is not None
    assert (expectation.fn, expectation.tuple.dport) == ("nat-follow-master", 1024)
    assert expectation.nat is not None
    assert verdict.payload is None


def test_ipv6() -> None:
    c = Connection(TFTP, "udp", "[fd01::2]:40000", "[fd02::2]:69")
    c.c(WRQ)
    assert c.expected == ["fd02::2 > [fd01::2]:40000"]


@pytest.mark.parametrize("port", [69, 161, 1023, 2049, 3389, 5900, 8080])
def test_the_requesting_socket_may_have_any_port(port: int) -> None:
    c = Connection(TFTP, "udp", f"10.0.1.2:{port}", "10.0.2.2:69")
    c.c(RRQ)
    assert (c.expected, c.refused) == ([f"10.0.2.2 > 10.0.1.2:{port}"], [])


class OneLink:
    """The network of interface 2, of which 10.0.2.255 is the broadcast address."""

    def __call__(self, index: int) -> list[Prefix]:
        return [Prefix(bytes([10, 0, 2, 0]), 24)] if index == 2 else []

    def own(self, addr: bytes) -> bool:
        return False


@pytest.mark.parametrize(
    ("address", "rules"),
    [
        ("255.255.255.255", ["G8"]),
        ("10.0.2.255", ["G8"]),
        ("224.0.1.1", ["G8"]),
        ("10.0.3.255", []),
    ],
)
def test_requests_to_broadcast_addresses_are_refused(address: str, rules: list[str]) -> None:
    maker, reports = FakeMaker(), list[Report]()
    inspector = Inspector({"fw-tftp": Active(TFTP)}, maker, reports.append, links=OneLink())
    c = Connection(TFTP, "udp", "10.0.2.7:2000", f"{address}:69", inspector=inspector, maker=maker)
    c.c(RRQ)
    assert [report.rule for report in reports if report.kind == "refused"] == rules
    assert len(maker.created) == (not rules)
