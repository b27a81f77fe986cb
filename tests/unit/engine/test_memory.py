from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.engine.memory import MAX_SIZE, Memory

small = st.binary(max_size=4)


@given(st.lists(st.tuples(small, small), max_size=30))
def test_a_client_keeps_its_newest_items(entries: list[tuple[bytes, bytes]]) -> None:
    memory = Memory(max_share=3).view(b"c")
    model: dict[bytes, bytes] = {}
    for key, value in entries:
        memory[key] = value
        model.pop(key, None)
        model[key] = value
    newest = dict(list(model.items())[-3:])
    assert dict(memory) == newest
    assert len(memory) == len(newest)


def test_one_client_does_not_displace_another() -> None:
    memory = Memory(max_items=20, max_share=100)
    modest, greedy = memory.view(b"a"), memory.view(b"b")
    modest[b"k"] = b"v"
    for number in range(200):
        greedy[b"%d" % number] = b""
    assert dict(modest) == {b"k": b"v"}
    assert (len(memory), len(greedy)) == (20, 19)


@given(st.lists(st.tuples(st.sampled_from([b"", b"a", b"bb"]), small, st.booleans()), max_size=60))
def test_bounds_hold_and_counts_agree(steps: list[tuple[bytes, bytes, bool]]) -> None:
    memory = Memory(max_items=6, max_share=3)
    for client, key, remove in steps:
        if remove:
            memory.view(client).pop(key, None)
        else:
            memory.view(client)[key] = b"v"
        assert len(memory) == len(list(memory)) <= 6
        assert len(memory.view(client)) <= 3


def test_clients_do_not_see_each_other() -> None:
    memory = Memory()
    memory.view(b"a")[b"bc"] = b"v"
    assert b"c" not in memory.view(b"ab")
    assert list(memory.view(b"")) == []


def test_items_survive_a_copy() -> None:
    memory, successor = Memory(), Memory()
    memory.view(b"a")[b"k"] = b"v"
    successor.update(memory)
    assert dict(successor.view(b"a")) == {b"k": b"v"}


@pytest.mark.parametrize(
    ("key", "value"), [(bytes(MAX_SIZE + 1), b""), (b"k", bytes(MAX_SIZE + 1))]
)
def test_long_items_are_not_stored(key: bytes, value: bytes) -> None:
    memory = Memory().view(b"c")
    memory[b"k"] = b"old"
    memory[key] = value
    assert memory.get(key) is None


def test_delete() -> None:
    memory = Memory().view(b"c")
    memory[b"k"] = b"v"
    assert memory.pop(b"k") == b"v"
    assert list(memory) == []
