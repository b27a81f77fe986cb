"""The list of keys, and the reference that is made of it."""

from __future__ import annotations

import tomllib

import pytest

from fwhelpers import keys
from fwhelpers.api import Helper, Parser, Setting
from fwhelpers.config import Daemon


def test_every_default_passes_its_own_check() -> None:
    for table in keys.TABLES.values():
        for key in table:
            assert key.doc
            if key.default is not None:
                key.check(key.default)


def test_the_reference_names_every_key_and_setting() -> None:
    helper = Helper("foo", "tcp", [1], Parser, settings=[Setting("bar", ["a"], "what it is")])
    text = keys.reference({"foo": helper})
    for table in keys.TABLES.values():
        for key in table:
            assert f"| `{key.name}` | {key.type} |" in text
    assert "### [helpers.foo]" in text
    assert '| `bar` |  | `["a"]` | what it is |' in text


def test_daemon_keys_are_the_daemon_s_fields() -> None:
    names = [key.name for key in keys.DAEMON]
    assert names == [*(f for f in Daemon.__slots__ if f != "blocked_plugins"), "block_plugins"]


@pytest.mark.parametrize("value", [True, 5, 'a"b\\', [1, 2], ["a", ["b"]], [], False])
def test_defaults_are_shown_as_toml(value: object) -> None:
    assert tomllib.loads(f"x = {keys.toml(value)}")["x"] == value
