"""The keys of dictionaries and their types."""

from __future__ import annotations

import re

import pytest

from fwhelpers.dbus.fields import FIELDS, Typed, to_variants


def test_nested_values_get_their_types() -> None:
    values = {"id": "a", "class": 1, "master": {"source": "h"}, "connections": [{"source_port": 5}]}
    assert to_variants({**values, "nat": None}) == {
        "id": Typed("s", "a"),
        "class": Typed("u", 1),
        "master": Typed("a{sv}", {"source": Typed("s", "h")}),
        "connections": Typed("aa{sv}", [{"source_port": Typed("q", 5)}]),
    }
    assert to_variants({"flags": ("a",)}) == {"flags": Typed("as", ["a"])}


def test_an_undeclared_key_is_a_bug() -> None:
    with pytest.raises(KeyError):
        to_variants({"nosuch": 1})


def test_keys_are_in_snake_case_and_types_are_valid() -> None:
    for key, signature in FIELDS.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", key)
        assert re.fullmatch(r"[subqtxd]|a[sqt]|aa?\{sv\}|a\{s[td]\}", signature)
