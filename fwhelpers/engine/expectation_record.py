"""Live expectations as JSON, for the successor of a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fwhelpers.engine.expectation_key import Connection, key_of
from fwhelpers.engine.registry import Account, Claim, LiveExpectation
from fwhelpers.engine.untrusted import (
    conntrack_tuple,
    integer,
    items,
    number,
    octets,
    plain_tuple,
    text,
)
from fwhelpers.kernel import transports
from fwhelpers.kernel.expect import PERMANENT, Expectation

_MAX_TIMEOUT = 86400
_MAX_NAME = 16
_ADDRESS_SIZES = (0, 4, 16)
_FOLLOW = "nat-follow-master"


def to_plain(live: LiveExpectation) -> dict[str, Any]:
    """Return the JSON form that `from_plain` reads."""
    e = live.expectation
    return {
        "expectation": [
            e.zone, plain_tuple(e.master), plain_tuple(e.tuple), plain_tuple(e.mask), e.klass, e.flags, e.timeout,
            e.helper, None if e.nat is None else plain_tuple(e.nat), e.nat_dir,
        ],
        "claim": _plain_claim(live.claim),
        "former": None if live.former is None else _plain_claim(live.former),
        "kernel_end": live.kernel_end,
    }  # fmt: skip


def from_plain(fields: Mapping[str, Any]) -> LiveExpectation:
    """Raises ValueError for malformed data, and KeyError for a field that is missing."""
    zone, master, expected, mask, klass, flags, timeout, helper, nat, nat_dir = items(
        fields["expectation"], 10
    )
    expectation = Expectation(
        master=conntrack_tuple(master),
        tuple=conntrack_tuple(expected),
        mask=conntrack_tuple(mask),
        klass=integer(klass, 3),
        flags=integer(flags, PERMANENT),
        timeout=integer(timeout, _MAX_TIMEOUT),
        helper=text(helper, _MAX_NAME),
        nat=None if nat is None else conntrack_tuple(nat),
        nat_dir=integer(nat_dir, 1),
        fn="" if nat is None else _FOLLOW,
        zone=integer(zone, 65535),
    )
    tuples = (expectation.master, expectation.tuple, expectation.mask, expectation.nat)
    if len({len(t.src) for t in tuples if t is not None}) != 1:
        raise ValueError("addresses of two families")
    if not transports.is_known(expectation.tuple.l4):
        raise ValueError("a protocol that is never expected")
    former = fields["former"]
    return LiveExpectation(
        key_of(expectation),
        expectation,
        _claim(fields["claim"]),
        number(fields["kernel_end"]),
        None if former is None else _claim(former),
    )


def plain_account(account: Account) -> list[Any]:
    """Return the JSON form that `account_from` reads. A zone is rare, and former versions know none."""
    zone = [account.zone] if account.zone else []
    return [account.helper, account.addr.hex(), account.answerer.hex(), *zone]


def account_from(value: object) -> Account:
    fields = items(value)
    zone = integer(fields[3], 65535, 1) if len(fields) == 4 else 0
    helper, addr, answerer = items(fields[:3] if zone else fields, 3)
    account = Account(text(helper, _MAX_NAME), octets(addr), octets(answerer), zone)
    if len(account.addr) not in _ADDRESS_SIZES or len(account.answerer) not in _ADDRESS_SIZES:
        raise ValueError("not an address")
    return account


def _plain_claim(claim: Claim) -> list[Any]:
    owner, account = claim.owner, plain_account(claim.account)
    return [owner.zone, plain_tuple(owner.orig), claim.klass, account, claim.since, claim.until]


def _claim(value: object) -> Claim:
    zone, orig, klass, account, since, until = items(value, 6)
    return Claim(
        Connection(integer(zone, 65535), conntrack_tuple(orig)),
        integer(klass, 3),
        account_from(account),
        number(since),
        number(until),
    )
