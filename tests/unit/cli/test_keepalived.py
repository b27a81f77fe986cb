"""keepalived.conf: instances, groups and virtual addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwhelpers.cli.keepalived import parse, state_of

EXAMPLE = (Path(__file__).parents[3] / "docs/examples/gateways/keepalived.conf").read_text()
PAIR = """
vrrp_instance a { ! a comment
    state MASTER
    virtual_ipaddress
    {
        10.0.0.1/24 dev eth0
    }
    virtual_ipaddress_excluded { 10.0.0.2 }
}
vrrp_instance b {
    virtual_ipaddress { %s }
}
"""


def apart(text: str) -> list[tuple[str, str]]:
    return [(first.name, second.name) for first, second in parse(text).apart()]


def test_the_example() -> None:
    vrrp = parse(EXAMPLE)
    assert [(i.name, i.state) for i in vrrp.instances] == [("inner", "BACKUP"), ("outer", "BACKUP")]
    assert vrrp.groups == (frozenset({"inner", "outer"}),)
    assert vrrp.addresses() == ["10.0.1.1", "10.0.2.1"]
    assert apart(EXAMPLE) == []


def test_braces_and_comments() -> None:
    vrrp = parse(PAIR % "10.1.0.1")
    assert vrrp.addresses() == ["10.0.0.1", "10.0.0.2", "10.1.0.1"]
    assert [i.state for i in vrrp.instances] == ["MASTER", "BACKUP"]
    assert apart(PAIR % "10.1.0.1") == [("a", "b")]


def test_an_instance_for_each_family() -> None:
    assert apart(PAIR % "fd00::1/64") == []


def test_a_group_on_one_line() -> None:
    assert apart(PAIR % "10.1.0.1" + "vrrp_sync_group g { group { a b } }") == []


def test_with_other_files_nothing_is_told() -> None:
    assert apart("include /etc/keepalived/conf.d/*.conf\n" + PAIR % "10.1.0.1") == []


@pytest.mark.parametrize(
    "text", ["", "}", "{", "} } {", "vrrp_instance", "vrrp_instance {", "{}{}"]
)
def test_odd_files(text: str) -> None:
    assert parse(text).instances in ((), parse("vrrp_instance {").instances)


def test_variables_are_no_addresses() -> None:
    assert parse(PAIR % "$ADDRESS").addresses() == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    ("own", "state"),
    [
        ((), "standby"),
        (("10.0.1.1",), "partly active"),
        (("10.0.1.1", "10.0.2.1", "::1"), "active"),
    ],
)
def test_the_state_is_that_of_the_addresses(own: tuple[str, ...], state: str) -> None:
    assert state_of(["10.0.1.1", "10.0.2.1"], own) == state
