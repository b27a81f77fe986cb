"""Checks of single values: accepted values are safe for nftables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.config import validators


@given(st.text())
def test_interfaces_are_single_harmless_words(text: str) -> None:
    try:
        (name,) = validators.interfaces([text])
    except validators.InvalidValue:
        return
    assert name == text
    assert 0 < len(name) < 16
    assert not set(name) & set(" \t\n\"'\\{};$/*:,")


@given(st.text() | st.ip_addresses().map(str) | st.integers())
def test_prefixes_are_networks(value: object) -> None:
    try:
        (network,) = validators.prefixes([value])
    except validators.InvalidValue:
        return
    assert set(str(network)) <= set("0123456789abcdef.:/")


def test_a_plain_address_is_a_prefix_of_full_length() -> None:
    assert [n.prefixlen for n in validators.prefixes(["192.0.2.1", "fd00::1"])] == [32, 128]


@pytest.mark.parametrize(
    "check", [validators.ports, validators.interfaces, validators.prefixes, validators.names]
)
@pytest.mark.parametrize("value", [None, 1, "x", {}, [[]], [{}], [None], [1.5], [[1]]])
def test_a_value_of_the_wrong_type_is_rejected(check: validators.Check, value: object) -> None:
    with pytest.raises(validators.InvalidValue):
        check(value)


def test_suggest_returns_the_nearest_choice_or_all() -> None:
    assert validators.suggest("prots", ["ports", "fail"], "keys") == "did you mean ports?"
    assert validators.suggest("zzz", ["ports", "fail"], "keys") == "keys: ports, fail"
    assert validators.suggest("zzz", [], "keys") == "there are no keys"
    assert validators.suggest("OPEN", ["open", "closed"], "values") == "did you mean open?"


@pytest.mark.parametrize(
    ("check", "value", "hint"),
    [
        (validators.choice("open", "closed"), "opne", "did you mean open?"),
        (validators.choice("open", "closed"), "zzz", "values: open, closed"),
        (validators.port_or("same", "any"), "sme", "did you mean same?"),
        (validators.port_or("same", "any"), "zzz", 'use "same", "any" or a port number'),
        (validators.interfaces, ["profle:Office"], "did you mean profile?"),
    ],
)
def test_a_misspelled_value_gets_a_suggestion(
    check: validators.Check, value: object, hint: str
) -> None:
    with pytest.raises(validators.InvalidValue) as caught:
        check(value)
    assert caught.value.hint == hint
