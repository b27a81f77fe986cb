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


class Connection(NamedTuple):
    """A connection as the master of expectations."""

    zone: int
    orig: Tuple


class ExpectationId(NamedTuple):
    """The expectation of one master among those that have had the key in turn."""

    key: ExpectationKey
    master: Tuple  #: original direction


def key_of(expectation: Expectation) -> ExpectationKey:
    """Return an expectation's key."""
    return make_key(expectation.zone, expectation.tuple, expectation.mask)


def identity_of(expectation: Expectation) -> ExpectationId:
    """Return an expectation's key and master."""
    return ExpectationId(key_of(expectation), expectation.master)


def make_key(zone: int, expected: Tuple, mask: Tuple) -> ExpectationKey:
    """Return the key without the source port that a translated expectation carries (`nat.Plan.carries`)."""
    if expected.sport and not mask.sport:
        expected = expected._replace(sport=0)
    return ExpectationKey(zone, expected, mask)


def leads_to(expectation: Expectation) -> tuple[object, ...]:
    """Return what two expectations have in common that admit the same connections to the same real endpoint."""
    real = (
        (expectation.nat.src, expectation.nat.sport, expectation.nat_dir)
        if expectation.nat
        else None
    )
    return key_of(expectation), real
