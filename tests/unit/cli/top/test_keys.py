"""Keys of a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.cli.top.keys import KeyDecoder


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"qs/", ["q", "s", "/"]),
        (b"\x1b[A\x1b[B\x1bOA", ["up", "down", "up"]),
        (b"\x1b[5~\x1b[6~\x1b[Z\x1b[1~", ["page-up", "page-down", "back-tab", "home"]),
        (b"\r\t\x7f\x03", ["enter", "tab", "backspace", "interrupt"]),
        (b"\x1b", ["escape"]),
        (b"\x1b[1;5C", []),  # a sequence that means nothing here
        ("é漢".encode(), ["é", "漢"]),
        (b"\x01\x02", []),
    ],
)
def test_keys(data: bytes, keys: list[str]) -> None:
    assert list(KeyDecoder().feed(data)) == keys


def test_a_character_and_a_sequence_in_two_parts() -> None:
    decoder = KeyDecoder()
    assert list(decoder.feed("é".encode()[:1])) == []
    assert list(decoder.feed("é".encode()[1:])) == ["é"]
    assert list(decoder.feed(b"\x1b[")) == []
    assert list(decoder.feed(b"A")) == ["up"]


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_any_bytes(parts: list[bytes]) -> None:
    decoder = KeyDecoder()
    for part in parts:
        for key in decoder.feed(part):
            assert key.isprintable()
    assert len(decoder._rest) <= 16
