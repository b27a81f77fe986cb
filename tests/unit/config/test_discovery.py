"""Rows of [discovery.NAME]; error messages are tested in test_loader."""

from __future__ import annotations

import pytest

from fwhelpers.config.discovery import make_row, missing_keys
from fwhelpers.config.validators import InvalidValue
from fwhelpers.discovery import Match

OPTIONS = {"port": 7000, "groups": ("239.1.2.3",), "signature": ((2, b"\0", b"\xf8"),)}


def test_make_row_converts_the_options() -> None:
    row = make_row("disks", OPTIONS)
    assert row.ports == (7000,)
    assert row.signature == (Match(2, (b"\0",), b"\xf8"),)
    assert list(missing_keys(OPTIONS)) == []


def test_missing_keys_lists_required_keys() -> None:
    assert [key for key, _ in missing_keys({})] == ["port", "groups", "signature"]


def test_an_invalid_name_is_rejected() -> None:
    with pytest.raises(InvalidValue):
        make_row("no spaces", OPTIONS)
