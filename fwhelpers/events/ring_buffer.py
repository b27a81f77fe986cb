"""Bounded event buffer with independent readers; slow readers get a loss count."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

SIZE = 16384  #: events that wait for the slowest reader


class Batch(NamedTuple, Generic[T]):
    """The result of one read."""

    lost: int  #: items that were overwritten before the reader came to them
    items: list[T]
    next: int  #: number of the item to read next


class RingBuffer(Generic[T]):
    """Items are numbered from 0; a reader remembers the number of its next item."""

    def __init__(self, size: int = SIZE) -> None:
        self._items: deque[T] = deque(maxlen=size)
        self._added = asyncio.Event()
        self.end = 0  #: number of the next item
        self.readers = 0  #: without readers nothing is kept

    def add(self, item: T) -> None:
        if not self.readers:
            self.skip()
            return
        self.end += 1
        self._items.append(item)
        self._added.set()
        self._added = asyncio.Event()

    def skip(self) -> None:
        """Count an item that nobody reads. Call it in place of `add` where there are no readers."""
        self.end += 1
        if self._items:
            self._items.clear()

    def read(self, number: int, limit: int) -> Batch[T]:
        """Up to `limit` items from a number on."""
        first = self.end - len(self._items)
        start = max(number, first)
        stop = min(self.end, start + limit)
        items = list(islice(self._items, start - first, stop - first))
        return Batch(start - number, items, start + len(items))

    async def wait(self, number: int) -> None:
        """Return when an item with this number exists."""
        while self.end <= number:
            await self._added.wait()
