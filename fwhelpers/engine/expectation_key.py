"""The identity of an expectation, in the kernel and between worker and manager."""

from __future__ import annotations

from typing import NamedTuple

from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation


class ExpectationKey(NamedTuple):
    """The kernel holds one expectation for each key (nf_conntrack_expect.c: expect_matches)."""

    zone: int
    expected: Tuple
    mask: Tuple


class ExpectationId(NamedTuple):
    """The expectation of one master among those that have had the key in turn."""

    key: ExpectationKey
    master: Tuple  #: original direction


def key_of(expectation: Expectation) -> ExpectationKey:
    """Return an expectation's key."""
    return ExpectationKey(expectation.zone, expectation.tuple, expectation.mask)
