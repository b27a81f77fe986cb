"""Types of command-line arguments."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from fwhelpers.cli.argument_types import address, interval, port


def test_values() -> None:
    assert address("fd00::1") == ip_address("fd00::1")
    for text, value in (("::ffff:10.0.1.2", "10.0.1.2"), ("fe80::1%eth0", "fe80::1")):
        assert str(address(text)) == value
    assert (port("1"), port("65535")) == (1, 65535)
    assert (interval("0.2"), interval("3600")) == (0.2, 3600.0)


@pytest.mark.parametrize(
    ("convert", "text"),
    [
        *((address, text) for text in ("", "ftp.example", "10.0.0.256", "10.0.0.0/8")),
        *((port, text) for text in ("", "0", "65536", "-1", "ftp", "٣", "9" * 5000)),
        *((interval, text) for text in ("", "0.1", "3601", "nan", "inf", "x")),
    ],
)
def test_what_is_wrong_is_quoted(convert: Callable[[str], Any], text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=" is not "):
        convert(text)


def test_control_characters_are_escaped() -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        address("::1\x1b[2J\u202e")
    assert str(caught.value) == r"'::1\x1b[2J\u202e' is not an IP address"
