from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.kernel.attribute_reader import MAX_LAYOUTS, AttributeReader
from fwhelpers.kernel.nla import DecodeError, attr, be32, parse, strz

attributes = st.lists(st.tuples(st.integers(1, 6), st.binary(max_size=9)), max_size=6)


@given(st.lists(attributes, min_size=1, max_size=2 * MAX_LAYOUTS))
def test_values_are_those_of_the_general_parser(messages: list[list[tuple[int, bytes]]]) -> None:
    reader = AttributeReader(4, 1, 2)
    encoded = [b"".join(attr(*each) for each in message) for message in messages]
    for message in (*encoded, *reversed(encoded)):
        parts = parse(message)
        assert reader.read(message) == [bytes(parts.get(kind, b"")) for kind in (4, 1, 2)]


def test_a_message_of_the_same_layout_has_its_own_values() -> None:
    reader = AttributeReader(1, 2, 3)
    for number in (5, 6):
        message = strz(3, "ftp") + be32(9, number) + be32(1, number)
        assert reader.read(memoryview(message)) == [number.to_bytes(4, "big"), b"", b"ftp\0"]


def test_of_two_attributes_of_one_type_the_last_counts() -> None:
    reader = AttributeReader(1)
    for _ in range(2):
        assert reader.read(be32(1, 1) + be32(1, 2)) == [b"\0\0\0\2"]


def test_a_lying_length_in_a_known_layout() -> None:
    reader = AttributeReader(1, 2)
    message = be32(1, 1) + be32(2, 2)
    reader.read(message)
    with pytest.raises(DecodeError):
        reader.read(message[:8] + b"\x09" + message[9:])
