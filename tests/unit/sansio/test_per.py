"""Aligned PER by tables. Encodings by hand follow X.691; the round trips use the encoder of the tests."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from per_encoder import encode

from fwhelpers.api import ParseError
from fwhelpers.sansio.per import (
    BOOLEAN,
    MAX_EXTENSIONS,
    NULL,
    OBJECT_IDENTIFIER,
    UNREAD,
    ListOf,
    Octets,
    String,
    bits,
    characters,
    choice,
    decode,
    integer,
    list_of,
    octets,
    optional,
    sequence,
)

ADDRESS = sequence(ip=octets(4), port=integer(0, 65535))
MESSAGE = choice(none=NULL, address=ADDRESS).extensible(comment=UNREAD, again=ADDRESS)
RECORD = sequence(
    flag=BOOLEAN, name=optional(octets(1, 8)), number=optional(integer(1))
).extensible(skipped=UNREAD, address=ADDRESS)


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        (ADDRESS, b"\x0a\0\1\2\x06\xb8", {"ip": Octets(0, 4), "port": 1720}),
        # the choice takes two bits, and four octets are aligned
        (MESSAGE, b"\x40\x0a\0\1\2\x06\xb8", ("address", {"ip": Octets(1, 5), "port": 1720})),
        (MESSAGE, b"\0", ("none", None)),
        # extended, the second addition: an open type
        (
            MESSAGE,
            b"\x81\x06\x0a\0\1\2\x06\xb8",
            ("again", {"ip": Octets(2, 6), "port": 1720}),
        ),
        (MESSAGE, b"\x80\x01\xff", ("comment", None)),
        (MESSAGE, b"\x85\x01\xff", ("", None)),  # an addition that is not in the table
        (RECORD, b"\x52xy", {"flag": 1, "name": Octets(1, 3)}),
        (sequence(a=octets(2), b=BOOLEAN), b"xy\x80", {"a": Octets(0, 2), "b": 1}),
        # two octets are not aligned, and so have no place
        (sequence(b=BOOLEAN, a=octets(2)), b"\x80\0\0", {"b": 1, "a": None}),
        (sequence(b=BOOLEAN, a=octets(3)), b"\x80xyz", {"b": 1, "a": Octets(1, 4)}),
        (integer(), b"\1\xff", -1),
        (integer(1), b"\2\1\0", 257),
        (list_of(integer(0, 255), 1, 4), b"\x40\5\6", [5, 6]),
        (sequence(b=bits(4), c=BOOLEAN), b"\x58", {"b": None, "c": 1}),
        (OBJECT_IDENTIFIER, b"\1\x2a", Octets(1, 2)),
    ],
)
def test_encodings_by_hand(kind: Any, data: bytes, value: Any) -> None:
    assert decode(kind, data) == value


def test_strings_of_no_characters_are_not_aligned() -> None:
    kind = sequence(a=characters(16, 0, 3), b=BOOLEAN)
    assert decode(kind, b"\x20") == {"a": None, "b": 1}


def test_additions_that_are_unknown_or_unread_are_passed_over() -> None:
    extended = sequence(a=BOOLEAN).extensible(b=UNREAD, c=octets(), d=BOOLEAN, e=octets(3))
    data = encode(extended, {"a": 1, "b": b"zz", "c": b"xy", "d": 1, "e": b"xyz"})
    older = sequence(a=BOOLEAN).extensible(b=UNREAD, c=octets())
    place = decode(older, data)["c"]
    assert data[place.start : place.end] == b"xy"
    assert decode(sequence(whole=older, b=octets(1)), data + b"!")["b"] is not None


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (choice(a=NULL, b=NULL, c=NULL), b"\xc0"),  # the fourth of three alternatives
        (ADDRESS, b"\x0a\0\1\2\x06"),
        (RECORD, b"\x44x"),  # three octets of which one is there
        (octets(), b"\xff"),
        (octets(), b"\xc4" + bytes(70000)),
        (sequence().extensible(), b"\xff" + b"\xff" * 40),  # more extensions than anybody has
        (list_of(NULL), b"\xbf\xff"),  # 16383 values of no bits
    ],
)
def test_hostile_encodings(kind: Any, data: bytes) -> None:
    with pytest.raises(ParseError):
        decode(kind, data)
    assert MAX_EXTENSIONS == 64


def test_deep_nesting() -> None:
    kind: Any = NULL
    for _ in range(17):
        kind = ListOf(kind)
    with pytest.raises(ParseError, match="nested"):
        decode(kind, b"\1" * 40)


KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (integer(0, 5), st.integers(0, 5)),
    (integer(1, 256), st.integers(1, 256)),
    (integer(1, 70000), st.integers(1, 70000)),
    (integer(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    (integer(3), st.integers(3, 2**40)),
    (integer(), st.integers(-(2**40), 2**40)),
    (octets(2), st.binary(min_size=2, max_size=2)),
    (octets(1, 256), st.binary(min_size=1, max_size=256)),
    (octets(), st.binary(max_size=300)),
    (bits(0, 2048), st.lists(st.integers(0, 1), max_size=60)),
    (characters(4, 1, 128), st.lists(st.integers(0, 15), min_size=1, max_size=20)),
]
FIELDS = {f"f{index}": optional(kind) for index, (kind, _) in enumerate(KINDS)}
VALUES = st.fixed_dictionaries(
    {}, optional={f"f{index}": values for index, (_, values) in enumerate(KINDS)}
)


@given(VALUES, VALUES)
def test_round_trip(root: dict[str, Any], added: dict[str, Any]) -> None:
    kind = sequence(**FIELDS).extensible(
        **{f"x{index}": kind for index, (kind, _) in enumerate(KINDS)}
    )
    value = {**root, **{name.replace("f", "x"): item for name, item in added.items()}}
    data = encode(kind, value)
    decoded = decode(kind, data)
    assert decoded.keys() == value.keys()
    for name, item in decoded.items():
        if isinstance(item, Octets):
            item = data[item.start : item.end]
        field = FIELDS[name.replace("x", "f")].kind
        if not (isinstance(field, String) and item is None):  # its place is between two octets
            assert item == (bytes(value[name]) if isinstance(item, bytes) else value[name]) or (
                isinstance(field, String) and field.width < 8
            )
