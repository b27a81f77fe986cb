from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import ParseError
from fwhelpers.sansio.records import MAX_EMPTY, MAX_FRAGMENTS, MAX_RECORD, Record, Records


def fragment(data: bytes, last: bool = True) -> bytes:
    return (len(data) | last << 31).to_bytes(4, "big") + data


def record(*parts: bytes) -> bytes:
    return b"".join(fragment(part, part is parts[-1]) for part in parts)


def data_of(records: list[Record]) -> list[bytes]:
    return [record.data for record in records]


def test_several_records_in_a_segment() -> None:
    records = list(Records().feed(record(b"abcd") + record(b"ef") + record(b"")))
    assert data_of(records) == [b"abcd", b"ef", b""]
    assert [record.pieces for record in records] == [((0, 4),), ((0, 12),), ((0, 18),)]


def test_several_fragments_in_a_record() -> None:
    (only,) = Records().feed(record(b"abc", b"def", b"gh"))
    assert only.data == b"abcdefgh"
    assert only.span(0, 3) == (4, 7)
    assert only.span(3, 5) == (11, 13)
    assert only.span(6, 8) == (18, 20)
    assert only.span(2, 4) is None


@given(st.lists(st.lists(st.binary(max_size=9), min_size=1, max_size=4), max_size=4), st.data())
def test_however_it_is_cut(parts: list[list[bytes]], cuts: st.DataObject) -> None:
    # parts of one record must be told apart by identity
    stream = b"".join(
        b"".join(fragment(p, i == len(r) - 1) for i, p in enumerate(r)) for r in parts
    )
    expected = list(Records().feed(stream))
    assert data_of(expected) == [b"".join(r) for r in parts]
    records, pieces, at = Records(), [], 0
    while at < len(stream):
        size = cuts.draw(st.integers(1, 7))
        pieces += records.feed(stream[at : at + size])
        at += size
    assert pieces == expected
    assert records.between


def test_between() -> None:
    records = Records()
    assert records.between
    for byte in record(b"ab", b"c"):
        list(records.feed(bytes([byte])))
        assert records.between == (byte == ord("c"))


def test_a_long_record_is_counted_not_kept() -> None:
    records = Records()
    assert list(records.feed(fragment(bytes(MAX_RECORD + 1))[:1000])) == []
    assert len(records._data) == 0
    rest = fragment(bytes(MAX_RECORD + 1))[1000:] + record(b"next")
    assert data_of(list(records.feed(rest))) == [b"next"]


def test_fragments_that_are_too_long_together() -> None:
    stream = fragment(bytes(40000), False) + fragment(bytes(40000), False) + fragment(b"end")
    assert data_of(list(Records().feed(stream + record(b"next")))) == [b"next"]


def test_the_longest_fragment() -> None:
    records = Records()
    assert list(records.feed(b"\xff\xff\xff\xff" + bytes(100000))) == []
    assert len(records._data) == 0


def test_long_records_may_be_forbidden() -> None:
    with pytest.raises(ParseError):
        list(Records(skip_long=False).feed(b"GET / HTTP/1.1\r\n"))


def test_too_many_fragments() -> None:
    stream = fragment(b"a", False) * (MAX_FRAGMENTS + 1)
    with pytest.raises(ParseError):
        list(Records().feed(stream))


def test_too_many_empty_fragments() -> None:
    ok = fragment(b"", False) * MAX_EMPTY + fragment(b"a")
    assert data_of(list(Records().feed(ok))) == [b"a"]
    with pytest.raises(ParseError):
        list(Records().feed(fragment(b"", False) * (MAX_EMPTY + 1)))


def test_empty_fragments_of_a_long_record_are_counted_too() -> None:
    stream = fragment(bytes(MAX_RECORD + 1), False) + fragment(b"", False) * (MAX_EMPTY + 1)
    with pytest.raises(ParseError):
        list(Records().feed(stream))


@given(st.binary(max_size=200), st.booleans())
def test_only_parse_errors(data: bytes, skip_long: bool) -> None:
    with contextlib.suppress(ParseError):
        list(Records(skip_long).feed(data))
