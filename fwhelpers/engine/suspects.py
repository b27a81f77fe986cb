"""Live expectations that the kernel has reported as ended, until it is asked about each.

A report may be outdated: an equal expectation was created after the one that ended. So no report frees a quota.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from fwhelpers.engine.expectation_key import ExpectationId
from fwhelpers.engine.registry import Account, LiveExpectation, Registry

MAX_ASKED = 16  #: suspects that are compared with the kernel for one announcement


class Suspects:
    """By party, as the bounds are."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._count = 0
        self._of_party: dict[bytes, deque[LiveExpectation]] = {}

    def __len__(self) -> int:
        return self._count

    def add(self, ended: Iterable[ExpectationId] | None) -> None:
        """Add the live ones of the expectations that the kernel has reported; all if reports are lost (None)."""
        for live in self._registry if ended is None else self._live(ended):
            if not live.suspected:
                self._insert(live)
        if self._count > 64 + 2 * len(self._registry):
            self._prune()

    def pop(self, account: Account, now: float) -> list[LiveExpectation]:
        """Remove and return some that count on the account's party, or on any if the registry is full.

        Those created at `now` stay: their verdict may not have been sent.
        """
        party = account.party
        if self._registry.full and party not in self._of_party:
            party = next(iter(self._of_party), party)
        popped: list[LiveExpectation] = []
        early: list[LiveExpectation] = []
        for live in self._take(party):
            (popped if live.claim.since < now else early).append(live)
            if len(popped) + len(early) >= MAX_ASKED:
                break
        for live in early:
            self._insert(live)
        return popped

    def _live(self, ended: Iterable[ExpectationId]) -> Iterator[LiveExpectation]:
        for identity in ended:
            live = self._registry.get(identity.key)
            if live is not None and live.expectation.master == identity.master:
                yield live

    def _insert(self, live: LiveExpectation) -> None:
        live.suspected = True
        self._of_party.setdefault(live.claim.account.party, deque()).append(live)
        self._count += 1

    def _take(self, party: bytes) -> Iterator[LiveExpectation]:
        """Remove and yield those of a party that are live yet."""
        suspects = self._of_party.get(party)
        while suspects:
            live = suspects.popleft()
            self._count -= 1
            if not suspects:
                del self._of_party[party]
            live.suspected = False
            if live.registered:
                yield live

    def _prune(self) -> None:
        suspects = [live for same in self._of_party.values() for live in same if live.registered]
        self._of_party.clear()
        self._count = 0
        for live in suspects:
            self._insert(live)
