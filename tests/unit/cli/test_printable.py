"""Text from the network cannot control a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.cli.printable import printable


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("PASV 10.0.0.1 § ✓ 漢字", "PASV 10.0.0.1 § ✓ 漢字"),
        ("\x1b[2J\r\n\t", "\\x1b[2J\\r\\n\\t"),
        ("\x9b31m", "\\x9b31m"),  # CSI of eight bits
        ("a\u202eb\u2066", "a\\u202eb\\u2066"),  # the order of what follows
        ("\u2028\ud800\U000e0001", "\\u2028\\ud800\\U000e0001"),
    ],
)
def test_examples(text: str, escaped: str) -> None:
    assert printable(text) == escaped


@given(st.text())
def test_the_result_is_printable(text: str) -> None:
    assert printable(text).isprintable()
