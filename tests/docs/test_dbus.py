"""docs/dbus.md names every member, key, error and action."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fwhelpers.dbus import names
from fwhelpers.dbus.fields import FIELDS
from fwhelpers.dbus.introspection import all_interfaces
from fwhelpers.dbus.service.methods import PAGE as PAGE_SIZE
from fwhelpers.dbus.service.options import MAX_NAMES
from fwhelpers.dbus.service.session import MAX_OF_CALLER
from fwhelpers.dbus.service.subscriptions import MAX_OF_USER, PATIENCE, SIGNALS, WINDOW

PAGE = (Path(__file__).parents[2] / "docs" / "dbus.md").read_text().replace("\n", " ")
WORDS = set(re.findall(r"[A-Za-z_]+", " ".join(re.findall(r"`([^`]+)`", PAGE))))


@pytest.mark.parametrize("name", names.INTERFACES)
def test_every_member_is_documented(name: str) -> None:
    interface = all_interfaces()[name]
    assert name.rsplit(".", 1)[1] in WORDS
    members = {*interface.methods, *interface.signals, *interface.properties}
    assert members <= WORDS, members - WORDS


def test_every_key_is_documented() -> None:
    assert FIELDS.keys() <= WORDS, FIELDS.keys() - WORDS


def test_every_error_and_action_is_documented() -> None:
    for name in names.ERRORS:
        assert name.rsplit(".", 1)[1] in WORDS, name
    for action in (names.DETAILS, names.RELOAD, names.MANAGE):
        assert f"`{action}`" in PAGE


def test_every_event_is_documented() -> None:
    assert SIGNALS.keys() - {"lost"} <= WORDS


def test_documented_numbers_are_those_of_the_code() -> None:
    assert f"After {WINDOW} events" in PAGE
    assert f"for {PATIENCE:.0f} seconds" in PAGE
    assert f"at most {PAGE_SIZE} expectations" in PAGE
    assert f"at most {MAX_NAMES} names" in PAGE
    assert f"({MAX_OF_USER} a user)" in PAGE
    assert f"({MAX_OF_CALLER} a caller)" in PAGE
