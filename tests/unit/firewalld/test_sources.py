"""Sources of zones, as firewalld writes them."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.config.assignments import ZoneMember
from fwhelpers.firewalld import rich_rules
from fwhelpers.firewalld.sources import member, networks


@pytest.mark.parametrize(
    ("text", "prefixes"),
    [
        ("10.0.0.1", ["10.0.0.1/32"]),
        ("10.0.0.7/24", ["10.0.0.0/24"]),
        ("10.0.0.0/255.255.255.0", ["10.0.0.0/24"]),
        ("fd00::1/64", ["fd00::/64"]),
        ("10.0.0.1-10.0.0.2", ["10.0.0.1/32", "10.0.0.2/32"]),
        ("10.0.0.2-10.0.0.1", []),
        ("10.0.0.1-fd00::1", []),
        ("fe80::1%eth0", []),
        ("00:11:22:33:44:55", []),
        ("", []),
    ],
)
def test_networks(text: str, prefixes: list[str]) -> None:
    assert networks(text) == tuple(map(ip_network, prefixes))


def test_members() -> None:
    assert member("z", "10.0.0.1", {}) == ZoneMember("z", networks=(ip_network("10.0.0.1"),))
    assert member("z", "AA:11:22:33:44:55", {}) == ZoneMember("z", macs=("aa:11:22:33:44:55",))
    sets = {
        "s": ("10.0.0.0", "10.0.0.1", "fd00::/64"),
        "strange": ("10.0.0.0/8", "1,2"),
        "empty": (),
    }
    zone_member = member("z", "ipset:s", sets)
    assert zone_member == ZoneMember(
        "z", networks=(ip_network("10.0.0.0/31"), ip_network("fd00::/64"))
    )


@pytest.mark.parametrize("source", ["ipset:strange", "ipset:empty", "ipset:none", "nonsense", ""])
def test_never_a_member_without_a_limit(source: str) -> None:
    """One without any would be the whole world."""
    assert member("z", source, {"strange": ("10.0.0.0/8", "1,2"), "empty": ()}) is None


@given(st.text(max_size=40))
def test_any_text(text: str) -> None:
    networks(text)
    zone_member = member("z", text, {})
    assert zone_member is None or zone_member.networks or zone_member.macs
    with suppress(rich_rules.UnsupportedRule):
        rich_rules.parse(text)


WORDS = [
    "family=ipv4",
    "source",
    "address=10.0.0.1",
    "NOT",
    "service",
    "name=x",
    "accept",
    "log",
    'prefix="a b"',
]


@given(st.lists(st.sampled_from(WORDS), max_size=9))
def test_any_words_of_a_rich_rule(words: list[str]) -> None:
    try:
        rule = rich_rules.parse(" ".join(["rule", *words]))
    except rich_rules.UnsupportedRule:
        return
    assert rule is None or "accept" in words
    if rule is not None and "source NOT address=10.0.0.1" in " ".join(words):
        assert not rule.sources
