"""Conversion of values to and from dbus-fast."""

from __future__ import annotations

from fwhelpers.dbus.library import unpack


class Variant:
    """A stand-in for the library's class, which is recognised by its name."""

    def __init__(self, value: object) -> None:
        self.value = value


def test_received_values_lose_their_variants_and_tuples() -> None:
    assert unpack({"a": Variant([Variant(1), ("x", Variant("y"))])}) == {"a": [1, ["x", "y"]]}
