"""The memory that the parsers of a helper share (`Parser.memory`), bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, MutableMapping

MAX_ITEMS = 1024
MAX_SIZE = 256  #: bytes of a key or of a value; longer ones are not stored


class Memory(MutableMapping[bytes, bytes]):
    """A mapping that drops its oldest item when it is full."""

    def __init__(self, max_items: int = MAX_ITEMS) -> None:
        self._items: OrderedDict[bytes, bytes] = OrderedDict()
        self._max_items = max_items

    def __getitem__(self, key: bytes) -> bytes:
        return self._items[key]

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._items.pop(key, None)
        if len(key) > MAX_SIZE or len(value) > MAX_SIZE:
            return
        self._items[bytes(key)] = bytes(value)
        if len(self._items) > self._max_items:
            self._items.popitem(last=False)

    def __delitem__(self, key: bytes) -> None:
        del self._items[key]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
