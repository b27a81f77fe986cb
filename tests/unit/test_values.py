"""Checks of single values: what passes is harmless for nftables, what doesn't has a remedy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers import values


@given(st.text())
def test_interfaces_are_single_harmless_words(text: str) -> None:
    try:
        (name,) = values.interfaces([text])
    except values.Wrong:
        return
    assert name == text
    assert 0 < len(name) < 16
    assert not set(name) & set(" \t\n\"'\\{};$/*:,")


@given(st.text() | st.ip_addresses().map(str) | st.integers())
def test_prefixes_are_networks(value: object) -> None:
    try:
        (network,) = values.prefixes([value])
    except values.Wrong:
        return
    assert set(str(network)) <= set("0123456789abcdef.:/")


def test_a_plain_address_is_a_prefix_of_full_length() -> None:
    assert [n.prefixlen for n in values.prefixes(["192.0.2.1", "fd00::1"])] == [32, 128]


@pytest.mark.parametrize("check", [values.ports, values.interfaces, values.prefixes, values.names])
@pytest.mark.parametrize("value", [None, 1, "x", {}, [[]], [{}], [None], [1.5], [[1]]])
def test_a_wrong_type_is_refused(check: values.Check, value: object) -> None:
    with pytest.raises(values.Wrong):
        check(value)


def test_guess_names_the_nearest_or_all() -> None:
    assert values.guess("prots", ["ports", "fail"], "keys") == "did you mean ports?"
    assert values.guess("zzz", ["ports", "fail"], "keys") == "keys: ports, fail"
    assert values.guess("zzz", [], "keys") == "there are no keys"
