"""What has happened lately, for readers of different speed. Bounded: who is too slow is told how much it missed."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

SIZE = 16384  #: events that wait for the slowest reader


class Batch(NamedTuple, Generic[T]):
    """What a reader gets: how many it missed, and those that follow."""

    lost: int
    items: list[T]
    next: int  #: where to read on


class RingBuffer(Generic[T]):
    """Items are numbered from 0; a reader remembers the number that it wants next."""

    def __init__(self, size: int = SIZE) -> None:
        self._items: deque[T] = deque(maxlen=size)
        self._news = asyncio.Event()
        self.end = 0  #: number of the next item
        self.readers = 0  #: without any, nothing is kept

    def add(self, item: T) -> None:
        """Put one in; the oldest goes."""
        self.end += 1
        if not self.readers:
            self._items.clear()
            return
        self._items.append(item)
        self._news.set()
        self._news = asyncio.Event()

    def take(self, number: int, most: int) -> Batch[T]:
        """Read on from a number."""
        first = self.end - len(self._items)
        start = max(number, first)
        stop = min(self.end, start + most)
        items = list(islice(self._items, start - first, stop - first))
        return Batch(start - number, items, start + len(items))

    async def wait(self, number: int) -> None:
        """Return when there is something at this number."""
        while self.end <= number:
            await self._news.wait()
