"""The rest of it is tested where people meet it, in test_config."""

from __future__ import annotations

import pytest

from fwhelpers.config.discovery import make_row, missing_keys
from fwhelpers.config.validators import InvalidValue
from fwhelpers.discovery import Match

GIVEN = {"port": 7000, "groups": ("239.1.2.3",), "signature": ((2, b"\0", b"\xf8"),)}


def test_row() -> None:
    made = make_row("disks", GIVEN)
    assert made.ports == (7000,)
    assert made.signature == (Match(2, (b"\0",), b"\xf8"),)
    assert list(missing_keys(GIVEN)) == []


def test_what_is_missing() -> None:
    assert [key for key, _ in missing_keys({})] == ["port", "groups", "signature"]


def test_impossible_names() -> None:
    with pytest.raises(InvalidValue):
        make_row("no spaces", GIVEN)
