"""The words for what goes wrong on the message bus; tests/dbus/test_cli_errors.py has whole commands."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from fwhelpers.cli import bus_errors
from fwhelpers.cli.bus_errors import NotRunning, Values, checked, explain
from fwhelpers.cli.errors import CliError
from fwhelpers.dbus import names
from fwhelpers.dbus.errors import BusError, Disconnected, MissingLibrary, NoBus
from fwhelpers.firewalld import client as firewalld
from fwhelpers.networkmanager import client as networkmanager


@pytest.fixture(autouse=True)
def no_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bus_errors, "RUNTIME", tmp_path)


def reply(name: str, text: str = "", peer: str = names.NAME) -> BusError:
    return BusError(name, text, f"{names.EXPECTATIONS}.List", peer)


def test_the_services_known_here_have_the_names_of_their_clients() -> None:
    assert {names.NAME, names.BUS, firewalld.NAME, networkmanager.NAME} == set(bus_errors._PEERS)


@pytest.mark.parametrize("name", [*names.ERRORS, names.ACCESS_DENIED, names.UNKNOWN_METHOD, "x.Y"])
@pytest.mark.parametrize("peer", [names.NAME, firewalld.NAME, networkmanager.NAME, "com.example"])
def test_every_error_has_a_remedy(name: str, peer: str) -> None:
    error = explain(reply(name, "some words\non two lines", peer))
    assert error.hint
    if name not in bus_errors._HINTS:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "error", [MissingLibrary(), NoBus("no bus", errno.ENOENT), NoBus("no bus"), Disconnected()]
)
def test_every_end_of_the_connection_has_a_remedy(error: BusError) -> None:
    assert explain(error).hint


@pytest.mark.parametrize("name", [names.SERVICE_UNKNOWN, names.NAME_HAS_NO_OWNER])
def test_who_is_not_running_is_named(name: str) -> None:
    assert isinstance(explain(reply(name)), NotRunning)
    error = explain(reply(name, "The name was not provided by any .service files", firewalld.NAME))
    assert (str(error), error.hint) == (
        "firewalld is not running",
        "start it: systemctl start firewalld",
    )


def test_without_polkit_no_rule_helps() -> None:
    text = f"{names.DETAILS}: only root is authorized because polkit is not installed"
    error = explain(reply(names.NOT_AUTHORIZED, text))
    assert str(error) == "this user may not list expectations: polkit is not installed"
    assert error.hint == "run as root"


def test_a_missing_key_is_the_services_age_at_any_depth() -> None:
    values = checked([{"a": [{"b": 1}]}])[0]
    assert values["a"][0]["b"] == 1
    for inner in (values, values["a"][0]):
        assert isinstance(inner, Values)
        assert inner.get("steering") is None
        with pytest.raises(CliError, match="is of another version: it does not report 'steering'"):
            inner["steering"]
