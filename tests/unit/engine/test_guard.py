from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Endpoint, Expect, Flow, Policy
from fwhelpers.engine.guard import WELL_KNOWN, Limits, Prefix, judge

C = Endpoint.parse("10.0.1.2", 40000)
S = Endpoint.parse("10.0.2.2", 21)
FLOW = Flow("tcp", C, S)
DATA = Policy("data")


def refused(want: Expect, reply: bool, policy: Policy = DATA, limits: Limits | None = None) -> str:
    refusal = judge(want, FLOW, reply, policy, limits or Limits())
    return refusal.rule if refusal else ""


def passive(host: str = "10.0.2.2", port: int = 30000) -> Expect:
    return Expect(C, Endpoint.parse(host, port))


def active(host: str = "10.0.1.2", port: int = 30000) -> Expect:
    return Expect(S, Endpoint.parse(host, port))


def test_announcing_oneself_passes() -> None:
    assert refused(passive(), reply=True) == ""
    assert refused(active(), reply=False) == ""


def test_g5_another_host() -> None:
    assert refused(passive("10.0.2.3"), reply=True) == "G5"
    assert refused(active("10.0.2.3"), reply=False) == "G5"


def test_g5_the_other_end_is_another_host_too() -> None:
    # the classical bounce: a client that announces the server itself
    assert refused(active("10.0.2.2"), reply=False) == "G5"


def test_g5_loosened_by_name() -> None:
    assert refused(passive("10.9.9.9"), True, limits=Limits(address="announced")) == ""
    nodes = Limits(addresses=(Prefix(Endpoint.parse("10.9.0.0").addr, 16),))
    assert refused(passive("10.9.9.9"), True, limits=nodes) == ""
    assert refused(passive("10.8.9.9"), True, limits=nodes) == "G5"


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "169.254.1.1"]
)
def test_g5_special_addresses_stay_refused_when_loosened(host: str) -> None:
    assert refused(passive(host), True, limits=Limits(address="announced")) == "G5"


@pytest.mark.parametrize("host", ["::", "::1", "ff02::1", "::ffff:10.0.0.1", "fe80::1"])
def test_g5_special_ipv6_addresses(host: str) -> None:
    client, server = Endpoint.parse("fd01::2", 40000), Endpoint.parse("fd02::2", 21)
    want = Expect(client, Endpoint.parse(host, 30000))
    refusal = judge(want, Flow("tcp", client, server), True, DATA, Limits(address="announced"))
    assert refusal
    assert refusal.rule == "G5"


@pytest.mark.parametrize("port", [0, 1, 22, 1023, 3306, 6379, 65536, -1])
def test_g6_ports(port: int) -> None:
    assert refused(passive(port=port), True) == "G6"


def test_g6_exceptions_have_names() -> None:
    nfs = Policy("service", min_port=512, ports=frozenset({2049}))
    assert refused(passive(port=2049), True, nfs) == ""
    assert refused(passive(port=892), True, nfs) == ""
    assert refused(passive(port=514), True, nfs) == "G6"
    assert refused(passive(port=111), True, nfs) == "G6"
    assert refused(passive(port=3306), True, limits=Limits(allow_ports=frozenset({3306}))) == ""
    assert refused(passive(port=892), True, limits=Limits(min_port=800)) == ""


@pytest.mark.parametrize("port", [69, 2049, 3389])
def test_g6_the_requesting_socket_may_have_any_port(port: int) -> None:
    flow = Flow("udp", C.at(port), S.at(69))
    assert judge(Expect(S, C.at(port)), flow, False, DATA, Limits()) is None
    for event, reply in ((Expect(S, C.at(port + 1)), False), (Expect(S, C.at(port), "tcp"), False)):
        refusal = judge(event, flow, reply, DATA, Limits())
        assert (refusal and refusal.rule) == ("G6" if event.l4 or port < 1023 else None)
    stream = Flow("tcp", C.at(port), S.at(69))
    refusal = judge(Expect(S, C.at(port)), stream, False, DATA, Limits())
    assert refusal
    assert refusal.rule == "G6"


@pytest.mark.parametrize("sources", ["", "any"])
def test_g6_media_have_no_privileged_port_even_if_it_is_the_sender_s(sources: str) -> None:
    """A neighbour's address is easily forged: it would be opened at the port that was written as the source."""
    media, flow = Policy("media", third_party=True), Flow("udp", C.at(2049), S.at(5060))
    event = Expect(S, C.at(2049), sources=sources)
    refusal = judge(event, flow, False, media, Limits(address="any-src"))
    assert refusal
    assert refusal.rule == "G6"


def test_g7_family_and_transport() -> None:
    assert refused(Expect(C, Endpoint.parse("fd02::2", 30000)), True) == "G7"
    assert refused(Expect(C, S.at(30000), l4="sctp"), True) == "G7"


def test_g8_third_party_opener() -> None:
    stranger = Endpoint.parse("10.0.9.9")
    assert refused(Expect(stranger, S.at(30000)), True) == "G8"
    assert refused(Expect(stranger, S.at(30000)), True, limits=Limits(address="any-src")) == ""


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1", "169.254.1.1"])
def test_g8_no_setting_admits_a_special_address(host: str) -> None:
    media = Policy("media", third_party=True)
    for address in "announced", "any-src":
        event = Expect(Endpoint.parse(host), S.at(30000))
        assert refused(event, True, media, Limits(address=address)) == "G8"


@pytest.mark.parametrize("host", ["255.255.255.255", "224.0.0.1", "ff02::1"])
def test_g8_groups_and_broadcast_addresses_answer_nothing(host: str) -> None:
    group = Endpoint.parse(host, 69)
    asker = C if group.family == 4 else Endpoint.parse("fd01::2", 2000)
    refusal = judge(Expect(group, asker), Flow("udp", asker, group), False, DATA, Limits())
    assert refusal
    assert refusal.rule == "G8"


@given(st.integers(-5, 70000), st.binary(min_size=4, max_size=4), st.booleans())
def test_strict_mode_lets_only_the_sender_itself_through(
    port: int, addr: bytes, reply: bool
) -> None:
    want = Expect(C if reply else S, Endpoint(addr, port))
    if judge(want, FLOW, reply, DATA, Limits()) is None:
        assert addr == (S if reply else C).addr
        assert 1024 <= port <= 65535
        assert port not in WELL_KNOWN


def esp(source: Endpoint = C, destination: Endpoint = S, **fields: Any) -> Expect:
    return Expect(source.at(0), destination.at(0), l4="esp", **fields)


ESP = Policy("esp", l4="esp", third_party=True)


def test_esp_between_the_two_ends_passes() -> None:
    assert refused(esp(), True, ESP) == ""
    assert refused(esp(S, C), False, ESP) == ""
    assert refused(esp(S, C, confirms_peer=True), True, ESP) == ""


def test_g7_the_policy_names_the_protocol() -> None:
    assert refused(esp(), True) == "G7"
    for l4 in ("", "tcp", "udp"):
        assert refused(Expect(C, S.at(30000), l4=l4), True, ESP) == "G7"


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"destination": S.at(4500)}, "G7"),
        ({"sport": 0}, "G7"),
        ({"count": 2}, "G7"),
        ({"span": (0, 4)}, "G7"),
        ({"child": True}, "G7"),
        ({"sources": "any"}, "G8"),
        ({"sources": "on-link"}, "G8"),
        ({"source": Endpoint.parse("10.9.9.9")}, "G8"),
        ({"source": S}, "G8"),
        ({"destination": Endpoint.parse("10.9.9.9")}, "G5"),
        ({"destination": C}, "G5"),
        ({"destination": Endpoint.parse("fd02::2")}, "G7"),
    ],
)
def test_nothing_loosens_the_ends_of_a_protocol_without_ports(
    fields: dict[str, Any], rule: str
) -> None:
    source, destination = fields.pop("source", C), fields.pop("destination", S)
    want = Expect(
        source, destination if destination.port == 4500 else destination.at(0), l4="esp", **fields
    )
    loosest = Limits(address="any-src", min_port=1, addresses=(Prefix(bytes(4), 0),))
    assert refused(want, True, ESP, loosest) == rule


@pytest.mark.parametrize("l4", ["sctp", "gre", "ah", "50", "any", "ESP", "0"])
def test_g7_no_other_protocol(l4: str) -> None:
    assert refused(Expect(C, S.at(30000), l4=l4), True) == "G7"
    assert refused(Expect(C, S.at(0), l4=l4), True, Policy("data", l4=l4)) == "G7"
