from __future__ import annotations

import pickle

from fwhelpers.engine.guard import Prefix
from fwhelpers.worker.onlink import Address, AddressTable, OnLinkPrefixes

OWN, PEER = bytes([10, 0, 1, 2]), bytes([10, 0, 9, 1])
NET = Prefix(bytes([10, 0, 1, 0]), 24)


def links(*addresses: Address) -> OnLinkPrefixes:
    lookup = OnLinkPrefixes()
    lookup.table = pickle.loads(pickle.dumps(AddressTable.of(addresses)))
    return lookup


def test_an_address_has_its_network_on_its_interface() -> None:
    lookup = links(Address(3, OWN, OWN, 24))
    assert lookup(3) == (NET,)
    assert lookup(4) == ()


def test_two_addresses_of_one_network_are_one_prefix() -> None:
    assert links(Address(3, OWN, OWN, 24), Address(3, NET.addr, NET.addr, 24))(3) == (NET,)


def test_a_host_address_is_no_network_but_a_point_to_point_peer_is() -> None:
    assert links(Address(3, OWN, OWN, 32))(3) == ()
    assert links(Address(3, OWN, PEER, 32))(3) == (Prefix(PEER, 32),)


def test_own_addresses_are_those_of_all_interfaces() -> None:
    lookup = links(Address(3, OWN, PEER, 32))
    assert lookup.own(OWN) is True
    assert lookup.own(PEER) is False


def test_before_the_first_table_nothing_is_known() -> None:
    lookup = OnLinkPrefixes()
    assert lookup.own(OWN) is None
    assert lookup(3) == ()


def test_the_order_of_the_kernel_s_list_does_not_matter() -> None:
    first, second = Address(3, OWN, OWN, 24), Address(3, PEER, PEER, 16)
    assert AddressTable.of([first, second]) == AddressTable.of([second, first])
