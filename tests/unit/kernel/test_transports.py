from __future__ import annotations

import socket

import pytest

from fwhelpers.kernel import transports


@pytest.mark.parametrize("name", transports.NUMBERS)
def test_the_numbers_are_iana_s(name: str) -> None:
    assert transports.NUMBERS[name] == getattr(socket, f"IPPROTO_{name.upper()}")
    assert transports.name_of(transports.NUMBERS[name]) == name


def test_the_list_is_closed() -> None:
    # no wildcard (0, 255), and no protocol whose tracker has ports or keys: GRE, SCTP, DCCP, UDP-Lite
    for number in (0, 1, 33, 47, 51, 58, 132, 136, 255):
        assert not transports.is_known(number)
        assert transports.name_of(number) == str(number)


def test_esp_alone_has_no_ports() -> None:
    assert [n for n in range(256) if not transports.has_ports(n)] == [50]
    assert transports.NUMBERS.keys() >= transports.PORTLESS
