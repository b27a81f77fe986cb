"""Helpers enabled and disabled while the service runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers import config
from fwhelpers.api import DatagramParser, Helper
from fwhelpers.config import overrides

HELPERS = {
    name: Helper(name, "udp", [port], DatagramParser)
    for name, port in (("foo", 7), ("bar", 8), ("with.dot", 9))
}
ROW = '[discovery.disks]\nport = 7000\ngroups = ["239.1.2.3"]\nsignature = ["0:44"]\n'


def enabled(text: str, **switches: bool) -> set[str]:
    draft = config.parse([("a.toml", text)])
    return set(config.resolve(overrides.apply_overrides(draft, switches), HELPERS).helpers)


@pytest.mark.parametrize(
    ("text", "switches", "expected"),
    [
        ("[helpers.foo]", {}, {"foo"}),
        ("[helpers.foo]\nenabled = false", {}, set()),
        ("[helpers.foo]\nenabled = true", {}, {"foo"}),
        ("[helpers.foo]", {"bar": True}, {"foo", "bar"}),
        ("[helpers.foo]", {"foo": False}, set()),
        ("[helpers.foo]\nenabled = false", {"foo": True}, {"foo"}),
        ("", {"foo": False, "nosuch": False}, set()),
        (ROW, {}, {"disks"}),
        (ROW, {"disks": False}, set()),
    ],
)
def test_overrides_win_over_files(text: str, switches: dict[str, bool], expected: set[str]) -> None:
    assert enabled(text, **switches) == expected


def test_enabling_keeps_the_settings_of_the_files() -> None:
    draft = config.parse([("a.toml", "[helpers.foo]\nports = [99]\nenabled = false")])
    loaded = config.resolve(overrides.apply_overrides(draft, {"foo": True}), HELPERS)
    assert loaded.helpers["foo"].ports == (99,)


def test_a_missing_helper_cannot_be_enabled() -> None:
    with pytest.raises(config.ConfigError, match="no such helper"):
        enabled("", nosuch=True)


def test_a_disabled_helper_is_still_validated() -> None:
    with pytest.raises(config.ConfigError, match="unknown key"):
        enabled("[helpers.foo]\nenabled = false\nprots = [1]")


NAMES = st.text("abcXYZ019.-", min_size=1, max_size=12)


@given(st.dictionaries(NAMES, st.booleans()))
def test_the_drop_in_is_read_back_unchanged(switches: dict[str, bool]) -> None:
    assert overrides.parse(overrides.render(switches)) == switches


def test_foreign_content_of_the_drop_in_is_ignored() -> None:
    assert overrides.parse("[helpers]\na = 1\n[helpers.b]\nenabled = 1\n[x]\n") == {}
    assert overrides.parse("helpers = 1") == {}
    with pytest.raises(ValueError, match="key part"):
        overrides.parse("[")
