"""The ring buffer: readers of different speed, bounded memory, exact loss counts."""

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
def test_lost_and_read_items_add_up(size: int, count: int, start: int, limit: int) -> None:
    ring, number, lost, read = filled(size, count), min(start, count), 0, []
    start = number
    while number < ring.end:
        batch = ring.read(number, limit)
        lost, number = lost + batch.lost, batch.next
        read += batch.items
        assert len(batch.items) <= limit
    assert lost + len(read) == count - start
    assert read == list(range(start + lost, count))
    assert len(read) <= size


def test_without_readers_nothing_is_kept() -> None:
    ring = filled(10, 5)
    ring.readers = 0
    ring.add(5)
    ring.readers = 1
    ring.add(6)
    batch = ring.read(3, 10)
    assert (batch.lost, batch.items, ring.end) == (3, [6], 7)


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
