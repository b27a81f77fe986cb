"""The keys of dictionaries and their types."""

from __future__ import annotations

import re

import pytest

from fwhelpers.dbus.fields import FIELDS, Typed, lists, values


def test_values_get_their_types_also_inside() -> None:
    given = {"id": "a", "class": 1, "master": {"source": "h"}, "connections": [{"source_port": 5}]}
    assert values({**given, "nat": None}) == {
        "id": Typed("s", "a"),
        "class": Typed("u", 1),
        "master": Typed("a{sv}", {"source": Typed("s", "h")}),
        "connections": Typed("aa{sv}", [{"source_port": Typed("q", 5)}]),
    }
    assert lists([{"flags": ("a",)}]) == [{"flags": Typed("as", ["a"])}]


def test_a_key_that_is_not_declared_is_a_bug() -> None:
    with pytest.raises(KeyError):
        values({"nosuch": 1})


def test_keys_are_in_snake_case_and_types_are_possible() -> None:
    for key, signature in FIELDS.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", key)
        assert re.fullmatch(r"[subqtx]|a[sq]|aa?\{sv\}|a\{st\}", signature)
