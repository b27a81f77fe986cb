from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.engine.memory import MAX_SIZE, Memory

small = st.binary(max_size=4)


@given(st.lists(st.tuples(small, small), max_size=30))
def test_it_holds_the_newest(entries: list[tuple[bytes, bytes]]) -> None:
    memory = Memory(max_items=3)
    model: dict[bytes, bytes] = {}
    for key, value in entries:
        memory[key] = value
        model.pop(key, None)
        model[key] = value
    newest = dict(list(model.items())[-3:])
    assert dict(memory) == newest
    assert len(memory) == len(newest)


@pytest.mark.parametrize(
    ("key", "value"), [(bytes(MAX_SIZE + 1), b""), (b"k", bytes(MAX_SIZE + 1))]
)
def test_what_is_too_long_is_not_kept(key: bytes, value: bytes) -> None:
    memory = Memory()
    memory[b"k"] = b"old"
    memory[key] = value
    assert memory.get(key) is None


def test_delete() -> None:
    memory = Memory()
    memory[b"k"] = b"v"
    assert memory.pop(b"k") == b"v"
    assert list(memory) == []
