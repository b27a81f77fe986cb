from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Endpoint, Expect, Flow
from fwhelpers.engine.guard import Prefix, Refusal
from fwhelpers.engine.onlink import ANY_IPV6, LINK_LOCAL, judge_request, source_prefixes


def prefix(text: str) -> Prefix:
    host, _, length = text.partition("/")
    return Prefix(Endpoint.parse(host).addr, int(length))


def flow(client: str, server: str) -> Flow:
    return Flow("udp", Endpoint.parse(client, 40000), Endpoint.parse(server, 1900))


LAN = prefix("10.0.1.0/24")


def prefixes_for(client: str, *networks: str, kind: str = "on-link") -> tuple[Prefix, ...] | str:
    asked = flow(client, "ff02::c" if ":" in client else "239.255.255.250")
    want = Expect(asked.server, asked.client, sources=kind)
    result = source_prefixes(want, asked, [prefix(k) for k in networks])
    return result.rule if isinstance(result, Refusal) else result


@pytest.mark.parametrize("where", ["224.0.0.251", "239.1.2.3", "255.255.255.255", "10.0.1.255"])
def test_g8_requests_to_many(where: str) -> None:
    assert judge_request(flow("10.0.1.2", where), [LAN]) is None


@pytest.mark.parametrize("where", ["10.0.1.3", "10.0.2.255", "10.0.1.0", "8.8.8.8", "240.0.0.1"])
def test_g8_a_request_to_one_host_opens_to_nobody_else(where: str) -> None:
    refusal = judge_request(flow("10.0.1.2", where), [LAN])
    assert refusal
    assert refusal.rule == "G8"


def test_a_point_to_point_link_has_no_broadcast() -> None:
    assert judge_request(flow("10.0.1.2", "10.0.1.3"), [prefix("10.0.1.2/31")])


def test_g8_ipv6_requests_to_many() -> None:
    assert judge_request(flow("fe80::1", "ff02::fb"), []) is None
    assert judge_request(flow("fe80::1", "fe80::2"), [])


def test_the_askers_own_network_comes_first() -> None:
    assert prefixes_for("10.0.1.2", "192.0.2.0/25", "10.0.1.0/24") == (LAN, prefix("192.0.2.0/25"))


def test_a_link_local_address_is_answered_from_any_address() -> None:
    """No router forwards packets to it, so they come from the link."""
    assert prefixes_for("fe80::2", "fd01::/64") == (ANY_IPV6,)
    assert prefixes_for("fe80::2") == (ANY_IPV6,)
    assert prefixes_for("fd01::2", "fd01::/64", "fe80::/64") == (prefix("fd01::/64"),)
    assert prefixes_for("fe80::2", "fd01::/64", kind="link-local") == (LINK_LOCAL,)


def test_connections_to_a_link_local_address_come_from_link_local_addresses() -> None:
    source = flow("fe80::2", "ff02::fb")
    event = Expect(source.server, source.client, l4="tcp", sources="on-link")
    assert source_prefixes(event, source, [prefix("fd01::/64")]) == (LINK_LOCAL,)


def test_g8_link_local_peers_are_for_link_local_askers() -> None:
    assert prefixes_for("fd01::2", "fd01::/64", kind="link-local") == "G8"
    assert prefixes_for("10.0.1.2", "10.0.1.0/24", kind="link-local") == "G8"


@pytest.mark.parametrize(
    "network", ["0.0.0.0/0", "10.0.0.0/7", "127.0.0.0/8", "224.0.0.0/8", "fd01::/64", "0.0.0.0/8"]
)
def test_g8_prefixes_that_mean_everybody_or_nobody(network: str) -> None:
    assert prefixes_for("10.0.1.2", network) == "G8"


@pytest.mark.parametrize("network", ["::/0", "2000::/3", "2001:db8::/31", "ff00::/64", "fe80::/64"])
def test_g8_ipv6_prefixes_that_mean_everybody_or_nobody(network: str) -> None:
    assert prefixes_for("2001:db8::2", network) == "G8"


def test_g8_words_that_are_not_known() -> None:
    assert prefixes_for("10.0.1.2", "10.0.1.0/24", kind="anybody") == "G8"


def test_at_most_four() -> None:
    many = [f"10.0.{n}.0/24" for n in range(9)]
    assert len(prefixes_for("10.0.1.2", *many)) == 4


@given(
    st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
    st.lists(
        st.tuples(st.binary(min_size=4, max_size=4), st.integers(0, 32))
        | st.tuples(st.binary(min_size=16, max_size=16), st.integers(0, 128)),
        max_size=6,
    ),
)
def test_never_any_address_but_for_link_local_askers(
    source: bytes, networks: list[tuple[bytes, int]]
) -> None:
    asked = Flow("udp", Endpoint(source, 1), Endpoint(b"\xff" * len(source), 1900))
    want = Expect(asked.server, asked.client, sources="on-link")
    result = source_prefixes(want, asked, [Prefix.around(*network) for network in networks])
    if not isinstance(result, Refusal):
        assert result
        for source_prefix in result:
            assert len(source_prefix.addr) == len(source)
            if source in LINK_LOCAL:
                assert source_prefix == ANY_IPV6
                continue
            assert source_prefix.length >= (8 if len(source) == 4 else 32)
            assert source_prefix.addr == Prefix.around(*source_prefix).addr
