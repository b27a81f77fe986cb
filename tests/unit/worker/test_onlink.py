from __future__ import annotations

from fwhelpers.engine.guard import Prefix
from fwhelpers.kernel.rtnl import Address
from fwhelpers.worker.onlink import AGAIN, FRESH, OnLinkPrefixes

NET, OWN = bytes([10, 0, 1, 0]), bytes([10, 0, 1, 2])


class Kernel:
    def __init__(self) -> None:
        self.known = [Address(3, OWN, OWN, 24)]
        self.asked = 0
        self.now = 100.0
        self.fails = False

    def addresses(self) -> list[Address]:
        self.asked += 1
        if self.fails:
            raise TimeoutError
        return self.known

    def links(self) -> OnLinkPrefixes:
        return OnLinkPrefixes(self.addresses, lambda: self.now)


def test_asked_once_for_many_packets() -> None:
    kernel = Kernel()
    links = kernel.links()
    for _ in range(5):
        assert list(links(3)) == [Prefix(NET, 24)]
    assert kernel.asked == 1
    kernel.now += FRESH + 0.1
    links(3)
    assert kernel.asked == 2


def test_an_interface_that_comes_is_found_soon_but_not_at_any_price() -> None:
    kernel = Kernel()
    links = kernel.links()
    assert not links(4)
    kernel.known.append(Address(4, OWN, OWN, 16))
    assert not links(4)
    kernel.now += AGAIN + 0.01
    assert list(links(4)) == [Prefix(bytes([10, 0, 0, 0]), 16)]
    assert kernel.asked == 2


def test_a_host_route_to_oneself_is_no_network() -> None:
    kernel = Kernel()
    kernel.known = [Address(3, OWN, OWN, 32), Address(3, OWN, NET[:3] + b"\1", 32)]
    assert list(kernel.links()(3)) == [Prefix(NET[:3] + b"\1", 32)]


def test_what_was_known_outlives_a_failure() -> None:
    kernel = Kernel()
    links = kernel.links()
    assert links(3)
    kernel.fails = True
    kernel.now += FRESH + 1
    assert links(3)
    assert not links(4)


def test_own_addresses() -> None:
    kernel = Kernel()
    links = kernel.links()
    assert links.own(OWN)
    assert not links.own(NET)
    assert kernel.asked == 1


def test_own_addresses_are_asked_for_again() -> None:
    kernel = Kernel()
    links = kernel.links()
    assert links.own(OWN)
    kernel.known = []
    kernel.now += FRESH + 0.1
    assert not links.own(OWN)
