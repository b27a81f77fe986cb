from __future__ import annotations

from fwhelpers.api import Endpoint
from fwhelpers.sansio import fields

IPV4, IPV6 = Endpoint.parse("10.0.1.2", 0x1234), Endpoint.parse("fd01::2", 0x1234)


def test_a_host() -> None:
    assert fields.host(IPV4) == bytes((10, 0, 1, 2))
    assert fields.fit_host(IPV4, 4) == bytes((10, 0, 1, 2))
    assert fields.fit_host(IPV6, 16) == IPV6.addr
    assert fields.fit_host(IPV4, 16) is None
    assert fields.fit_host(IPV6, 4) is None


def test_a_port() -> None:
    assert fields.port(IPV4) == b"\x12\x34"
    assert fields.fit_port(IPV6, 2) == b"\x12\x34"
    assert fields.fit_port(IPV4, 4) is None
