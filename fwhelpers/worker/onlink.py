"""Which networks are on-link at an interface, as a worker asks it for each request to a group."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from fwhelpers.engine.guard import Prefix
from fwhelpers.kernel.nla import DecodeError
from fwhelpers.kernel.rtnl import Address
from fwhelpers.kernel.socket import RouteSocket

FRESH = 5.0  #: seconds for which what was learnt counts
AGAIN = 0.2  #: seconds after which an interface that was not there is looked for again


class OnLinkPrefixes:
    """`engine.links.Lookup` over rtnetlink: asks when a packet needs it, not on events that nobody waits for."""

    def __init__(
        self,
        addresses: Callable[[], list[Address]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._addresses = addresses or RouteSocket().addresses
        self._clock = clock
        self._at = float("-inf")
        self._known: dict[int, list[Prefix]] = {}
        self._own: frozenset[bytes] = frozenset()

    def __call__(self, index: int) -> Sequence[Prefix]:
        age = self._clock() - self._at
        if age > FRESH or (index not in self._known and age > AGAIN):
            self._learn()
        return self._known.get(index, ())

    def own(self, addr: bytes) -> bool:
        """Is it an address of this machine?"""
        if self._clock() - self._at > FRESH:
            self._learn()
        return addr in self._own

    def _learn(self) -> None:
        self._at = self._clock()
        try:
            addresses = self._addresses()
        except (OSError, DecodeError):
            return  # what is known counts on; of what is not known nothing opens
        self._known = {}
        self._own = frozenset(address.local for address in addresses)
        for address in addresses:
            if address.length < 8 * len(address.local) or address.local != address.network:
                prefix = Prefix.around(address.network, address.length)
                self._known.setdefault(address.ifindex, []).append(prefix)
