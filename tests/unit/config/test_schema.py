"""The keys, and the reference generated from them."""

from __future__ import annotations

import tomllib

import pytest

from fwhelpers.api import Helper, Parser, Setting
from fwhelpers.config import DaemonConfig, schema
from fwhelpers.plugin.validation import RESERVED


def test_every_default_passes_its_own_check() -> None:
    for table in schema.TABLES.values():
        for key in table:
            assert key.doc
            if key.default is not None:
                key.check(key.default)


def test_the_reference_lists_every_key_and_setting() -> None:
    helper = Helper("foo", "tcp", [1], Parser, settings=[Setting("bar", ["a"], "what it is")])
    text = schema.reference({"foo": helper})
    for table in schema.TABLES.values():
        for key in table:
            assert f"| `{key.name}` | {key.type} |" in text
    assert "### [helpers.foo]" in text
    assert '| `bar` |  | `["a"]` | what it is |' in text


def test_daemon_keys_are_the_daemon_s_fields() -> None:
    names = [key.name for key in schema.DAEMON]
    assert names == [
        *(f for f in DaemonConfig.__slots__ if f != "blocked_plugins"),
        "block_plugins",
    ]


@pytest.mark.parametrize("value", [True, 5, 'a"b\\', [1, 2], ["a", ["b"]], [], False])
def test_defaults_are_shown_as_toml(value: object) -> None:
    assert tomllib.loads(f"x = {schema.toml(value)}")["x"] == value


def test_reserved_names_are_the_keys_of_a_helper_table() -> None:
    assert {key.name for key in schema.HELPER} | {"guard"} == RESERVED
