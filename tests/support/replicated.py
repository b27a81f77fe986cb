"""Expectations as the manager reports them to the other gateway."""

from __future__ import annotations

from dataclasses import replace

from fwhelpers.engine.registry import Account
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for
from fwhelpers.kernel.raw_events import RawExpectation
from fwhelpers.replication.records import Live

CLIENT, SERVER = bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2))
MASTER = Tuple(CLIENT, SERVER, 6, 40000, 21)


def expectation(port: int = 5000, helper: str = "fw-ftp") -> Expectation:
    """A passive transfer without translation."""
    expected = Tuple(CLIENT, SERVER, 6, 0, port)
    return Expectation(MASTER, expected, mask_for(expected), timeout=60, helper=helper, id=port)


def live(number: int = 1, port: int = 5000, remaining: float = 60.0, trigger: str = "PASV") -> Live:
    """Return the record of an expectation."""
    return live_of(expectation(port), number, remaining)._replace(trigger=trigger)


def live_of(expected: Expectation, number: int = 1, remaining: float = 60.0) -> Live:
    """Return the record of an expectation, whose helper is the one of its master."""
    raw = RawExpectation.of(replace(expected))
    account = Account(expected.helper, expected.master.src)
    return Live(number, raw.identity, raw.payload, remaining, account)
