"""The ring: readers of different speed, bounded memory, honest numbers."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.events.ring_buffer import RingBuffer


def filled(size: int, count: int) -> RingBuffer[int]:
    ring: RingBuffer[int] = RingBuffer(size)
    ring.readers = 1
    for number in range(count):
        ring.add(number)
    return ring


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 60), st.integers(1, 20))
def test_what_is_lost_and_what_is_read_is_all_there_was(
    size: int, count: int, start: int, most: int
) -> None:
    ring, number, lost, read = filled(size, count), min(start, count), 0, []
    start = number
    while number < ring.end:
        taken = ring.take(number, most)
        lost, number = lost + taken.lost, taken.next
        read += taken.items
        assert len(taken.items) <= most
    assert lost + len(read) == count - start
    assert read == list(range(start + lost, count))
    assert len(read) <= size


def test_nothing_is_kept_for_nobody() -> None:
    ring = filled(10, 5)
    ring.readers = 0
    ring.add(5)
    ring.readers = 1
    ring.add(6)
    taken = ring.take(3, 10)
    assert (taken.lost, taken.items, ring.end) == (3, [6], 7)


def test_waiting() -> None:
    async def scenario() -> int:
        ring: RingBuffer[int] = RingBuffer()
        ring.readers = 1
        waiting = asyncio.ensure_future(ring.wait(1))
        await asyncio.sleep(0)
        ring.add(0)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
        ring.add(1)
        await waiting
        return ring.end

    assert asyncio.run(scenario()) == 2
