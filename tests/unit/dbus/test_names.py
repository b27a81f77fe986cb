"""Names and paths on the bus."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.dbus import names

PATH = re.compile(r"(/[A-Za-z0-9_]+)+")


@given(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1))
def test_a_path_is_one_and_tells_helpers_apart(name: str) -> None:
    path = names.helper_path(name)
    assert PATH.fullmatch(path)
    last = path.rsplit("/", 1)[1]
    assert re.sub(r"_([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), last) == name


def test_all_carry_the_version() -> None:
    assert all(name.startswith("io.github.fwhelpers.FwHelpers1.") for name in names.INTERFACES)
    assert all(name.startswith("io.github.fwhelpers.FwHelpers1.Error.") for name in names.ERRORS)
