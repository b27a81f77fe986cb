"""The live expectations of the other gateway, as it reported them. Pure: the time goes in.

They stay when the connection ends, as the other gateway may have failed, until each ends by itself. After a
reconnection all of them are sent again, and those that are not are removed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from fwhelpers.kernel.raw_events import ExpectationBytes
from fwhelpers.replication.records import Live

MAX_RECORDS = 16384  #: above it the oldest is forgotten


@dataclass(slots=True)
class _Entry:
    record: Live
    until: float
    #: counts the times that all were sent; an older one was not repeated in the last of them
    generation: int
    taken: bool


class Table:
    """Records by the identity of their expectations."""

    def __init__(self, limit: int = MAX_RECORDS) -> None:
        self._limit = limit
        self._entries: OrderedDict[ExpectationBytes, _Entry] = OrderedDict()
        self._identities: dict[int, ExpectationBytes] = {}  # by the numbers of this connection
        self._generation = 0
        self._repeating = False

    def __len__(self) -> int:
        return len(self._entries)

    def begin(self) -> None:
        """All live expectations follow, with new numbers."""
        self._generation += 1
        self._repeating = True
        self._identities.clear()

    def complete(self) -> None:
        """Remove what was not repeated since `begin`."""
        if self._repeating:
            self._repeating = False
            for identity, entry in list(self._entries.items()):
                if entry.generation != self._generation:
                    del self._entries[identity]

    def add(self, record: Live, now: float) -> None:
        """Add an expectation, or replace what was known of it."""
        former = self._entries.pop(record.identity, None)
        if former is not None:
            self._forget_number(former)
        elif len(self._entries) >= self._limit:
            _, oldest = self._entries.popitem(last=False)
            self._forget_number(oldest)
        taken = self._repeating and former is not None and former.taken
        until = now + record.remaining
        self._entries[record.identity] = _Entry(record, until, self._generation, taken)
        self._identities[record.number] = record.identity

    def end(self, number: int) -> None:
        """Remove an expectation that has ended."""
        identity = self._identities.pop(number, None)
        if identity is not None:
            self._entries.pop(identity, None)

    def expire(self, now: float) -> None:
        """Remove those whose time has passed."""
        for identity, entry in list(self._entries.items()):
            if entry.until <= now:
                del self._entries[identity]
                self._forget_number(entry)

    def records(self, now: float) -> list[Live]:
        """Return the records with the seconds that remain."""
        self.expire(now)
        return [
            entry.record._replace(remaining=entry.until - now, taken=entry.taken)
            for entry in self._entries.values()
        ]

    def mark(self, records: Iterable[Live]) -> None:
        """Count as taken what a take-over has got of it."""
        for record in records:
            entry = self._entries.get(record.identity)
            if entry is not None:
                entry.taken = True

    def _forget_number(self, entry: _Entry) -> None:
        if self._identities.get(entry.record.number) == entry.record.identity:
            del self._identities[entry.record.number]
