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


def enabled(text: str, **given: bool) -> set[str]:
    draft = config.parse([("a.toml", text)])
    return set(config.resolve(overrides.apply_overrides(draft, given), HELPERS).helpers)


@pytest.mark.parametrize(
    ("text", "given", "expected"),
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
def test_switched(text: str, given: dict[str, bool], expected: set[str]) -> None:
    assert enabled(text, **given) == expected


def test_settings_stay() -> None:
    draft = config.parse([("a.toml", "[helpers.foo]\nports = [99]\nenabled = false")])
    made = config.resolve(overrides.apply_overrides(draft, {"foo": True}), HELPERS)
    assert made.helpers["foo"].ports == (99,)


def test_what_is_not_there_can_t_be_enabled() -> None:
    with pytest.raises(config.ConfigError, match="there is no such helper"):
        enabled("", nosuch=True)


def test_a_disabled_one_is_checked_all_the_same() -> None:
    with pytest.raises(config.ConfigError, match="unknown key"):
        enabled("[helpers.foo]\nenabled = false\nprots = [1]")


NAMES = st.text("abcXYZ019.-", min_size=1, max_size=12)


@given(st.dictionaries(NAMES, st.booleans()))
def test_the_file_says_the_same(given: dict[str, bool]) -> None:
    assert overrides.parse(overrides.render(given)) == given


def test_what_somebody_else_wrote_there() -> None:
    assert overrides.parse("[helpers]\na = 1\n[helpers.b]\nenabled = 1\n[x]\n") == {}
    assert overrides.parse("helpers = 1") == {}
    with pytest.raises(ValueError, match="key part"):
        overrides.parse("[")
