"""Readers of hostile JSON: a checked value or ValueError, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.engine import untrusted
from fwhelpers.kernel.conntrack import Tuple

READERS = [
    untrusted.integer, untrusted.number, untrusted.flag, untrusted.text, untrusted.octets,
    untrusted.items, untrusted.mapping, untrusted.conntrack_tuple,
]  # fmt: skip

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize("reader", READERS)
@given(value=JSON)
def test_any_value_is_accepted_or_a_value_error(
    reader: Callable[[object], object], value: object
) -> None:
    try:
        reader(value)
    except ValueError:
        return


@pytest.mark.parametrize("value", [True, 1.0, -1, 1 << 64, "1", None, [1], float("nan")])
def test_only_integers_in_range_are_integers(value: object) -> None:
    with pytest.raises(ValueError, match="not an integer"):
        untrusted.integer(value)


@pytest.mark.parametrize("value", [True, float("inf"), float("nan"), 10**400, "1.0", None])
def test_only_finite_numbers_are_numbers(value: object) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        untrusted.number(value)


@pytest.mark.parametrize(
    "data",
    [b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b"-Infinity", b"1" * 5000, b"\xff", b"", b"{"],
)
def test_json_that_breaks_parsers_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of the parser, in its own words
        untrusted.load(data)


def test_text_forges_no_line_and_is_cut() -> None:
    assert untrusted.text("a\nfwhelpers: b\x1b[2J") == "a\\nfwhelpers: b\\x1b[2J"
    assert untrusted.text("\ud800") == "\\ud800"
    assert untrusted.text("x" * 10**5) == "x" * untrusted.MAX_TEXT
    assert len(untrusted.text("\n" * 10**5)) == untrusted.MAX_TEXT
    assert untrusted.text("→ é") == "→ é"


@given(st.binary(min_size=4, max_size=4), st.integers(0, 255), st.integers(0, 65535))
def test_a_tuple_survives_json(address: bytes, l4: int, port: int) -> None:
    value = Tuple(address, address, l4, port, port)
    plain = json.loads(json.dumps(untrusted.plain_tuple(value)))
    assert untrusted.conntrack_tuple(plain) == value


@pytest.mark.parametrize(
    "value",
    [
        ["0a000001", "0a000002", 6, 1, 65536], ["0a000001", "0a000002", 256, 1, 1],
        ["0a000001", "0a0000", 6, 1, 1], ["", "", 6, 1, 1], ["0a000001", "0a000002", 6, 1],
        ["zz", "0a000002", 6, 1, 1], ["0a000001", "0a000002", 6, 1, -1],
        ["0a000001", "0a000002", 6, 1, True],
    ],
)  # fmt: skip
def test_impossible_tuples_are_refused(value: list[object]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        untrusted.conntrack_tuple(value)
