"""The machine's addresses and on-link prefixes, as the manager sends them to a worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fwhelpers.engine.guard import Prefix


class Address(NamedTuple):
    """An address of an interface with its network."""

    interface: int  #: its index
    local: bytes  #: the interface's own address, packed
    network: bytes  #: an address of the network: on a point-to-point link that of the other end
    length: int  #: of the network's prefix


@dataclass(frozen=True, slots=True)
class AddressTable:
    """`own` is None while the addresses are unknown; then nothing that depends on them may open."""

    own: frozenset[bytes] | None = None
    prefixes: Mapping[int, tuple[Prefix, ...]] = field(default_factory=dict)  #: by interface index

    @classmethod
    def of(cls, addresses: Iterable[Address]) -> AddressTable:
        addresses = sorted(addresses)
        prefixes: dict[int, dict[Prefix, None]] = {}
        for address in addresses:
            is_host = address.length == 8 * len(address.local)
            if not is_host or address.local != address.network:
                prefix = Prefix.around(address.network, address.length)
                prefixes.setdefault(address.interface, {})[prefix] = None
        return cls(
            frozenset(address.local for address in addresses),
            {index: tuple(unique) for index, unique in prefixes.items()},
        )


class OnLinkPrefixes:
    """`engine.onlink.Lookup` over the last table."""

    def __init__(self) -> None:
        self.table = AddressTable()

    def __call__(self, index: int) -> Sequence[Prefix]:
        return self.table.prefixes.get(index, ())

    def own(self, addr: bytes) -> bool | None:
        return None if self.table.own is None else addr in self.table.own
