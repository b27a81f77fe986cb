from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.migrate.limits import ANY, OWN, Conditions, Unfit, interface, networks, ports
from fwhelpers.migrate.notes import Origin

AT = Origin("f", 1)


def test_ports() -> None:
    assert ports(["21", "ftp", "30:32", "40-41"]) == {21, 30, 31, 32, 40, 41}


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "3:2", "1-65535", "x", "$P", "@p", "٣", "9" * 5000]
)
def test_no_ports(text: str) -> None:
    with pytest.raises(Unfit):
        ports([text])


def test_networks() -> None:
    assert networks(["10.1.2.3/8", "fd00::/64"]) == {
        ip_network("10.0.0.0/8"), ip_network("fd00::/64"),
    }  # fmt: skip
    assert networks(["10.0.0.0/255.0.0.0"]) == {ip_network("10.0.0.0/8")}
    assert networks(["10.0.0.1", "0.0.0.0/0"]) == set()


@pytest.mark.parametrize("text", ["", "host.example", "$LAN", "`x`", "@set", "fe80::1%eth0"])
def test_no_networks(text: str) -> None:
    with pytest.raises(Unfit):
        networks([text])


@pytest.mark.parametrize("text", ["", "eth+", "$IF", "a b", "x" * 16])
def test_no_interface(text: str) -> None:
    with pytest.raises(Unfit):
        interface(text, "+")


def test_conditions() -> None:
    conditions = Conditions(ports={21}, l4="tcp", sources=networks(["10.0.0.0/8"]))
    rule = conditions.assignment("ftp", "prerouting", AT)
    assert rule.families == {4}
    assert rule.interfaces == {ANY}
    assert conditions.assignment("ftp", "output", AT).interfaces == {OWN}


@pytest.mark.parametrize(
    ("conditions", "hook", "why"),
    [
        (Conditions(l4="tcp"), "prerouting", "no port"),
        (Conditions(ports={1}), "prerouting", "neither tcp nor udp"),
        (Conditions({6}, "tcp", {1}, sources=networks(["10.0.0.1"])), "output", "both families"),
        (Conditions(ports={1}, l4="tcp"), "pre_public", "it is in chain pre_public"),
        (Conditions(ports={1}, l4="tcp", interfaces={"x"}), "output", "incoming interface"),
    ],
)
def test_what_a_rule_may_lack(conditions: Conditions, hook: str, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        conditions.assignment("ftp", hook, AT)


def test_a_protocol_without_helpers() -> None:
    conditions = Conditions()
    conditions.protocol("udp")
    for name in ("tcp", "sctp"):
        with pytest.raises(Unfit):
            conditions.protocol(name)


@given(st.text())
def test_any_text_is_a_value_or_unfit(text: str) -> None:
    reasons: list[str] = []
    for read in (lambda: ports([text]), lambda: networks([text]), lambda: interface(text, "*")):
        try:
            read()
        except Unfit as error:
            reasons.append(str(error))
    assert all(map(str.isprintable, reasons))
