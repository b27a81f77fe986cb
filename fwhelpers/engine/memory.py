"""The memory that the parsers of a helper share (`Parser.memory`), bounded for each client and in all."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, MutableMapping

MAX_ITEMS = 1024
MAX_SHARE = 64  #: items of one client
MAX_SIZE = 256  #: bytes of a key or of a value; longer ones are not stored


class Memory(MutableMapping[bytes, bytes]):
    """A mapping of items that belong to clients. The key begins with the client: its length, then its address.

    A client with more than `max_share` items loses its oldest. When the memory is full, the client with the most items
    loses its oldest, so that one client cannot displace the items of all others.
    """

    def __init__(self, max_items: int = MAX_ITEMS, max_share: int = MAX_SHARE) -> None:
        self._shares: dict[bytes, OrderedDict[bytes, bytes]] = {}
        self._max_items = max_items
        self._max_share = max_share
        self._count = 0

    def view(self, client: bytes) -> MemoryView:
        """Return the items of one client, of at most 255 bytes, as a mapping of their own."""
        return MemoryView(self, bytes((len(client),)) + client)

    def items_of(self, prefix: bytes) -> dict[bytes, bytes]:
        """Return a copy of a client's items."""
        return dict(self._shares.get(prefix, {}))

    def __getitem__(self, key: bytes) -> bytes:
        return self._shares[_client(key)][key]

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self.pop(key, None)
        if len(key) > MAX_SIZE or len(value) > MAX_SIZE:
            return
        client = _client(key)
        share = self._shares.setdefault(client, OrderedDict())
        share[bytes(key)] = bytes(value)
        self._count += 1
        if len(share) > self._max_share:
            del self[next(iter(share))]
        elif self._count > self._max_items:
            largest = max(self._shares.values(), key=len)
            del self[next(iter(largest))]

    def __delitem__(self, key: bytes) -> None:
        client = _client(key)
        share = self._shares.get(client, OrderedDict())
        del share[key]
        self._count -= 1
        if not share:
            del self._shares[client]

    def __iter__(self) -> Iterator[bytes]:
        return (key for share in self._shares.values() for key in share)

    def __len__(self) -> int:
        return self._count


class MemoryView(MutableMapping[bytes, bytes]):
    """The items of one client."""

    def __init__(self, memory: Memory, prefix: bytes) -> None:
        self._memory = memory
        self._prefix = prefix

    def __getitem__(self, key: bytes) -> bytes:
        return self._memory[self._prefix + key]

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._memory[self._prefix + key] = value

    def __delitem__(self, key: bytes) -> None:
        del self._memory[self._prefix + key]

    def __iter__(self) -> Iterator[bytes]:
        return (key[len(self._prefix) :] for key in self._memory.items_of(self._prefix))

    def __len__(self) -> int:
        return len(self._memory.items_of(self._prefix))


def _client(key: bytes) -> bytes:
    return bytes(key[: 1 + key[0]]) if key else b""
