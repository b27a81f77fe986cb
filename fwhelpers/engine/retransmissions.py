"""The datagrams of one flow that were handled, and how they were rewritten.

A peer that waits for an answer sends its message again, with the same bytes: most of all when a host on the way is
busy. Such a datagram must be rewritten as it was the first time, and opens nothing that the first one did not. Once
something that the first one opened is closed, it is a message like others: a new call may have the same bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import NamedTuple

from fwhelpers.engine.registry import LiveExpectation

#: seconds for which a message is sent again (RFC 3261 §17.1.1.2: 64 × T1)
LONGEST = 32.0
MAX_BYTES = 131072  #: of memory for one flow, about
ITEM_BYTES = 250  #: memory of each datagram besides its rewritten bytes


class Handled(NamedTuple):
    """A datagram that was handled."""

    since: float
    rewritten: bytes | None  #: its data as they were sent on; None: unchanged
    opened: tuple[LiveExpectation, ...] = ()

    def holds(self, now: float) -> bool:
        """Return whether a datagram with the same bytes is a retransmission."""
        return now - self.since < LONGEST and all(live.registered for live in self.opened)


def identify(data: bytes, reply: bool) -> bytes:
    """Return a name of a datagram that no other one has."""
    return blake2b(data, digest_size=16, person=b"reply" if reply else b"").digest()


class Retransmissions:
    """A bounded memory, which forgets the oldest first."""

    def __init__(self) -> None:
        self._handled: OrderedDict[bytes, Handled] = OrderedDict()
        self.held = 0  #: bytes of memory

    def find(self, name: bytes, now: float) -> Handled | None:
        """Return what became of the datagram, None if it is to be judged."""
        handled = self._handled.get(name)
        return handled if handled is not None and handled.holds(now) else None

    def add(self, name: bytes, handled: Handled) -> None:
        """Remember a datagram."""
        self._forget(name)
        self._handled[name] = handled
        self.held += _size(handled)
        while self.held > MAX_BYTES:
            self._forget(next(iter(self._handled)))

    def clear(self) -> None:
        """Forget all: they are to be judged anew."""
        self._handled.clear()
        self.held = 0

    def _forget(self, name: bytes) -> None:
        handled = self._handled.pop(name, None)
        if handled is not None:
            self.held -= _size(handled)


def _size(handled: Handled) -> int:
    return ITEM_BYTES + len(handled.rewritten or b"")
