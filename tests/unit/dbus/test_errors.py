"""The texts and names of bus errors."""

from __future__ import annotations

from fwhelpers.dbus.errors import DISCONNECTED, NO_SERVER, BusError, Disconnected, NoBus


def test_the_text_falls_back_to_the_name_and_names_the_method() -> None:
    assert str(BusError("x.Failed")) == "x.Failed"
    assert str(BusError("x.Failed", "no")) == "no"
    error = BusError("x.Failed", "no", "x.Zone.Get")
    assert (str(error), error.text) == ("x.Zone.Get: no", "no")


def test_every_failure_of_the_bus_is_a_bus_error_with_a_name() -> None:
    assert Disconnected().name == DISCONNECTED
    error: BusError = NoBus("no socket", 2)
    assert (error.name, str(error)) == (NO_SERVER, "no socket")
