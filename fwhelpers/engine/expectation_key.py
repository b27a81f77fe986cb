"""What identifies an expectation, in the kernel and between worker and manager."""

from __future__ import annotations

from typing import NamedTuple

from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation


class ExpectationKey(NamedTuple):
    """What tells one expectation from another (nf_conntrack_expect.c: expect_matches)."""

    zone: int
    expected: Tuple
    mask: Tuple


class ExpectationId(NamedTuple):
    """What tells the expectation that a worker speaks of."""

    key: ExpectationKey
    master: Tuple  #: the original direction of its master


def key_of(expectation: Expectation) -> ExpectationKey:
    """An expectation's key."""
    return ExpectationKey(expectation.zone, expectation.tuple, expectation.mask)
