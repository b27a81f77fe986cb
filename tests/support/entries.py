"""Entries of the registry of expectations: clients announce ports to one server."""

from __future__ import annotations

from fwhelpers.engine.expectation_key import Connection, key_of
from fwhelpers.engine.registry import Account, Claim, LiveExpectation, Registry
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for

SERVER = bytes((10, 0, 2, 2))


def client(number: int) -> bytes:
    return bytes((10, 0, *divmod(number, 250)))


def owner(number: int = 1, port: int = 40000) -> Connection:
    return Connection(0, Tuple(client(number), SERVER, 6, port, 21))


def expected(port: int = 3000, master: Connection | None = None) -> Expectation:
    tup = Tuple(SERVER, client(1), 6, 0, port)
    return Expectation((master or owner()).orig, tup, mask_for(tup), timeout=60)


def account(number: int = 1, answerer: bytes = b"") -> Account:
    return Account("ftp", client(number), answerer)


def enter(
    registry: Registry,
    port: int = 3000,
    by: Connection | None = None,
    on: Account | None = None,
    since: float = 0.0,
    until: float = 60.0,
    kernel_end: float = 60.0,
    klass: int = 0,
) -> LiveExpectation:
    master = by or owner()
    expectation = expected(port, master)
    claim = Claim(master, klass, on or account(), since, until)
    registry.enter(expectation, claim, kernel_end)
    live = registry.get(key_of(expectation))
    assert live is not None
    return live
