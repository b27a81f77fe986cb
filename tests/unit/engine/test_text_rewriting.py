"""Text that names an end and opens nothing, lengths that count it, and hosts that are no ends."""

from __future__ import annotations

import pytest
from connection import Connection, FakeMaker, show
from media import media, text_of

from fwhelpers.api import DatagramParser, Done, Event, Helper
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.engine.inspector import Active
from fwhelpers.kernel.expect import Expectation

NAT = "192.0.2.1:50000"
PUBLIC = "198.51.100.9:7"
MEDIA_SERVER = Prefix(b"\x0a\x09\x00\x00", 16)


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        (b"name 10.0.1.2 40000\n", b"name 192.0.2.1 50000\n"),  # the connection's own port
        (b"name 10.0.1.2 5066\n", b"name 192.0.2.1 5066\n"),
        (b"name 10.0.1.3 40000\n", b""),  # another host's address
        (b"name 10.0.2.2 7\n", b""),  # the server is not translated
        (b"name 192.0.2.1 50000\n", b""),  # the client knows its public address already
    ],
)
def test_the_server_sees_the_clients_translated_endpoint(text: bytes, rewritten: bytes) -> None:
    assert text_of(media(seen_client=NAT).c(text)) == rewritten


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        (b"name 192.0.2.1 50000\n", b"name 10.0.1.2 40000\n"),
        (b"name 192.0.2.1 6002\n", b"name 10.0.1.2 6000\n"),  # the port of an expectation
        (b"name 192.0.2.1 5066\n", b"name 10.0.1.2 5066\n"),
        (b"name 10.0.1.2 40000\n", b""),
        (b"name 10.0.2.2 7\n", b""),
    ],
)
def test_the_client_sees_its_own_endpoint(text: bytes, rewritten: bytes) -> None:
    def clash(expectation: Expectation) -> int:
        return 17 if expectation.tuple.dport < 6002 else 0  # EEXIST

    flow = media(seen_client=NAT, maker=FakeMaker(errors=clash))
    flow.c(b"only 6000\n")
    assert text_of(flow.s(text)) == rewritten


def test_behind_dnat_both_directions_are_translated() -> None:
    flow = media(seen_server=PUBLIC)
    assert text_of(flow.s(b"name 10.0.2.2 7\n")) == b"name 198.51.100.9 7\n"
    assert text_of(flow.c(b"name 198.51.100.9 7\n")) == b"name 10.0.2.2 7\n"


def test_the_port_of_an_expectation_is_named_in_later_text() -> None:
    flow = media(seen_client=NAT, maker=FakeMaker(errors=lambda e: 17 * (e.tuple.dport == 6000)))
    flow.c(b"only 6000\n")
    assert text_of(flow.c(b"name 10.0.1.2 6000\n")) == b"name 192.0.2.1 6001\n"


def test_without_nat_nothing_is_rewritten() -> None:
    assert text_of(media().c(b"name 10.0.1.2 40000\n")) == b""


@pytest.mark.parametrize("l4", ["udp", "tcp"])
def test_a_length_counts_what_its_body_gains(l4: str) -> None:
    flow = media(l4, seen_client=NAT)
    text = b"name 10.0.1.2 1\nlength 23\nname 10.0.1.2 9999\nend\n"
    expected = b"name 192.0.2.1 1\nlength 24\nname 192.0.2.1 9999\nend\n"
    assert text_of(flow.c(text), l4) == expected


def test_a_length_that_stays_is_not_touched() -> None:
    assert text_of(media(seen_client=NAT).c(b"length 5\nhello")) == b""


def test_a_body_whose_length_has_passed_stays_as_it_is() -> None:
    flow = media("tcp", seen_client=NAT)
    flow.c(b"name 10.0.1.2 1\nlength 23\n")
    verdict = flow.c(b"name 10.0.1.2 9999\nend\n")
    assert text_of(verdict, "tcp") == b""
    assert [(n.kind, n.rule) for n in flow.notes][-1] == ("refused", "G15")


def test_ipv6_streams_keep_their_length() -> None:
    flow = media("tcp", "[fd01::2]:40000", "[fd02::2]:7", seen_client="[2001:db8::1]:50000")
    assert text_of(flow.c(b"length 20\nname fd01::2 40000\nend\n")) == b""
    assert [(n.kind, n.rule) for n in flow.notes] == [("refused", "G15")]


def test_a_third_party_is_refused_by_default() -> None:
    flow = media()
    flow.c(b"from 10.9.0.1 6000\n")
    assert [(n.kind, n.rule) for n in flow.notes] == [("refused", "G8")]


@pytest.mark.parametrize("limits", [Limits(address="announced"), Limits(addresses=(MEDIA_SERVER,))])
def test_a_third_party_that_the_configuration_allows(limits: Limits) -> None:
    flow = media(limits=limits)
    flow.c(b"from 10.9.0.1 6000\n")
    assert [show(e.tuple) for e in flow.maker.created] == ["10.9.0.1 > 10.0.1.2:6000"]


def test_other_third_parties_stay_refused() -> None:
    flow = media(limits=Limits(addresses=(MEDIA_SERVER,)))
    flow.c(b"from 10.8.0.1 6000\nfrom 127.0.0.1 6002\n")
    assert [n.rule for n in flow.notes] == ["G8", "G8"]


def test_a_translated_third_party_keeps_its_address() -> None:
    flow = media(seen_client=NAT, limits=Limits(address="announced"))
    flow.c(b"from 10.9.0.1 6000\nonly 6002\n")
    third, peer = flow.maker.created
    assert (show(third.tuple), third.fn) == ("10.9.0.1 > 192.0.2.1:6000", "sip")
    assert (show(peer.tuple), peer.fn) == ("10.0.2.2 > 192.0.2.1:6002", "nat-follow-master")


@pytest.mark.parametrize(("address", "rules"), [("any-src", []), ("announced", ["G8"]), ("peer", ["G8"])])  # fmt: skip
def test_any_source_only_where_the_configuration_says_so(address: str, rules: list[str]) -> None:
    flow = media(limits=Limits(address=address))
    flow.c(b"any 6000\n")
    assert [n.rule for n in flow.notes if n.kind == "refused"] == rules
    for expectation in flow.maker.created:
        assert (expectation.tuple.src, expectation.mask.src) == (bytes(4), bytes(4))
        assert show(expectation.tuple).endswith("10.0.1.2:6000")


def test_a_missing_kernel_function_is_named() -> None:
    maker = FakeMaker(errors=lambda e: 22 * (e.fn == "sip"))  # EINVAL
    flow = media(seen_client=NAT, limits=Limits(address="announced"), maker=maker)
    flow.c(b"from 10.9.0.1 6000\n")
    assert [n.kind for n in flow.notes] == ["refused"]
    assert "nf_nat_sip" in flow.notes[0].reason


def test_parsers_learn_what_they_may_name() -> None:
    assert Limits().scope == "peer"
    assert Limits(addresses=(MEDIA_SERVER,)).scope == "announced"
    assert Limits(address="any-src").scope == "any-src"

    class Spoken(DatagramParser):
        def datagram(self, data: bytes, reply: bool) -> list[Event]:
            return [Done(self.address)]

    helper = Helper("spoken", "udp", [7], Spoken)
    active = Active(helper, {}, Limits(address="announced"))
    flow = Connection(helper, "udp", "10.0.1.2:40000", "10.0.2.2:7", active=active)
    flow.c(b"hello")
    assert [n.reason for n in flow.notes] == ["announced"]
