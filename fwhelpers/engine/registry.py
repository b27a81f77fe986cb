"""The live expectations of one worker: who owns each, when it ends, and on whose quota it counts (G9).

The kernel holds one expectation for each key, with one connection as its master. Several connections may announce the
same one in turn (a UPnP control point renews by new connections): the last of them owns it. The former owner of
the same account whose claim lasts longest gets it back if the owner withdraws its own. An expectation counts once, for
its owner.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from fwhelpers.engine.expectation_key import Connection, ExpectationKey, key_of
from fwhelpers.engine.guard import Limits, Refusal
from fwhelpers.engine.token_bucket import TokenBuckets
from fwhelpers.kernel.expect import PERMANENT, Expectation

if TYPE_CHECKING:
    from fwhelpers.engine.flow_state import FlowState

MAX_ALIVE = 1024  #: live expectations
MAX_RATE = 1000  #: new expectations a second

#: the part of MAX_ALIVE and MAX_RATE that one IPv4 address or IPv6 /64 can take, of all helpers together
PARTY_SHARE = 4
#: the part of a client's quota that one answering or announcing host can take
ANSWERER_SHARE = 4

#: seconds by which the kernel's lifetime may differ from ours: it counts from a later time
_ROUNDING = 0.5


def party_of(addr: bytes, zone: int = 0) -> bytes:
    """Return what a network operator assigns to one customer or host: an IPv4 address, an IPv6 /64.

    `zone`: networks in different conntrack zones may use the same addresses.
    """
    party = addr[:8] if len(addr) == 16 else addr
    return party + zone.to_bytes(2, "big") if zone else party


class Account(NamedTuple):
    """Whose quota an expectation counts on."""

    helper: str
    addr: bytes  #: the client
    answerer: bytes = (
        b""  #: the host whose answer or announcement named the endpoint; empty: the client itself
    )
    zone: int = 0  #: the conntrack zone of both

    @property
    def client(self) -> Account:
        """The account without the answering host."""
        return self._replace(answerer=b"") if self.answerer else self

    @property
    def party(self) -> bytes:
        return party_of(self.addr, self.zone)

    def split(self) -> tuple[Account, bytes]:
        """Return `client` and `party`, for who needs both."""
        helper, addr, answerer, zone = self
        client = Account(helper, addr, b"", zone) if answerer else self
        return client, party_of(addr, zone)


NO_ACCOUNT = Account("", b"")

T = TypeVar("T")


class Claim(NamedTuple):
    """A connection's right to an expectation."""

    owner: Connection
    klass: int
    account: Account
    since: float
    until: float


@dataclass(slots=True, init=False)
class LiveExpectation:
    """An expectation in the kernel."""

    key: ExpectationKey
    expectation: Expectation  #: as it was written to the kernel
    claim: Claim
    kernel_end: float  #: when the kernel deletes it by itself
    former: Claim | None = None  #: that lasts longest among those of former owners
    registered: bool = field(default=False, compare=False)  #: it is in the registry
    suspected: bool = field(default=False, compare=False)  #: the kernel has reported an end
    #: the owner's connection lasts as long as the claim, as conntrack has confirmed it and its timeout is kept up
    lasting: bool = field(default=False, compare=False)
    #: the owner, if it is a TCP connection whose entry is kept for the expectation
    keeper: FlowState | None = field(default=None, compare=False)

    def __init__(
        self,
        key: ExpectationKey,
        expectation: Expectation,
        claim: Claim,
        kernel_end: float,
        former: Claim | None = None,
        lasting: bool = False,
    ) -> None:
        self.key = key
        self.expectation = expectation
        self.claim = claim
        self.kernel_end = kernel_end
        self.former = former
        self.registered = self.suspected = False
        self.lasting = lasting
        self.keeper = None

    @property
    def permanent(self) -> bool:
        return bool(self.expectation.flags & PERMANENT)

    @property
    def ends_early(self) -> bool:
        """True if the owner's claim ends before the kernel's lifetime."""
        return self.claim.until < self.kernel_end - _ROUNDING


#: of a connection without expectations
_NONE: Mapping[ExpectationKey, LiveExpectation] = {}


class Registry:
    """Pure: the time goes in with each call."""

    def __init__(self, max_alive: int = MAX_ALIVE, max_rate: int = MAX_RATE) -> None:
        self.max_alive = max_alive
        self._rates = TokenBuckets(max_rate, PARTY_SHARE)
        self._live: dict[ExpectationKey, LiveExpectation] = {}
        self._owned: dict[Connection, dict[ExpectationKey, LiveExpectation]] = {}
        #: by the owner of the former claim
        self._formers: dict[Connection, dict[ExpectationKey, LiveExpectation]] = {}
        self._counts: dict[Account, int] = {}
        self._parties: dict[bytes, int] = {}
        self._ends: list[tuple[float, ExpectationKey]] = []  # a heap

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[LiveExpectation]:
        return iter(self._live.values())

    def get(self, key: ExpectationKey) -> LiveExpectation | None:
        return self._live.get(key)

    def of(self, owner: Connection) -> Collection[LiveExpectation]:
        """Return a view of the expectations that a connection owns, the oldest first."""
        return self._owned.get(owner, _NONE).values()

    def of_party(self, party: bytes | None) -> list[LiveExpectation]:
        """Return the expectations that count on a party, or on any."""
        return [live for live in self._live.values() if party in (None, live.claim.account.party)]

    @property
    def full(self) -> bool:
        return len(self._live) >= self.max_alive

    # bounds

    def check(
        self, account: Account, limits: Limits, replaced: LiveExpectation | None = None
    ) -> Refusal | None:
        """Return why the account can't have another expectation, in place of `replaced` if there is one."""
        former = replaced.claim.account if replaced is not None else None
        if account.answerer and former != account:
            quota = max(1, limits.max_per_source // ANSWERER_SHARE)
            if self._counts.get(account, 0) >= quota:
                return Refusal("G9", f"{quota} expectations by this host's answers are alive")
        client, party = account.split()
        if former is None or former.client != client:
            quota = limits.max_per_source
            if self._counts.get(client, 0) >= quota:
                reason = f"{quota} expectations of this client are alive (guard.max_per_source)"
                return Refusal("G9", reason)
        if former is None or former.party != party:
            quota = self.max_alive // PARTY_SHARE or 1
            if self._parties.get(party, 0) >= quota:
                return Refusal("G9", f"{quota} expectations of this address or /64 are alive")
        if replaced is None and len(self._live) >= self.max_alive:
            return Refusal("G9", f"{self.max_alive} expectations are alive")
        return None

    def take_token(self, account: Account, limits: Limits, now: float) -> Refusal | None:
        """Return why the account can't have another expectation this second, or take a token for it."""
        client, party = account.split()
        return self._rates.take(client, party, limits.rate, now)

    # changes

    def enter(self, expectation: Expectation, claim: Claim, kernel_end: float) -> LiveExpectation:
        """Add an expectation that was written to the kernel; a connection takes over an equal one."""
        key = key_of(expectation)
        replaced = self._live.get(key)
        former = None
        if replaced is not None:
            # of one account only: what a former owner gets back is within its quota then
            claims = [
                c
                for c in (replaced.claim, replaced.former)
                if c and c.owner != claim.owner and c.account == claim.account
            ]
            alive = (c for c in claims if c.until > claim.since)
            former = max(alive, key=lambda c: c.until, default=None)
            self._remove(replaced)
        live = LiveExpectation(key, expectation, claim, kernel_end, former)
        self._add(live)
        return live

    def resume(self, live: LiveExpectation) -> None:
        """Add an expectation of a previous worker. Those above the bound are not counted, and left to the manager."""
        if live.key not in self._live and not self.full:
            self._add(live)

    def withdraw(self, live: LiveExpectation) -> bool:
        """End the owner's claim. Return whether the expectation must end: a former owner's claim keeps it."""
        self._remove(live)
        former = live.former
        if former is None:
            return True
        self._add(LiveExpectation(live.key, live.expectation, former, live.kernel_end))
        return False

    def join(self, live: LiveExpectation, claim: Claim) -> None:
        """Add the claim of another connection of the same account, which leaves the owner in its place."""
        if live.former is None or live.former.until < claim.until:
            self._remove_former(live)
            live.former = claim
            self._add_former(live)

    def withdraw_former(self, owner: Connection, klass: int | None) -> None:
        """End the claims that a connection has to expectations that others took over."""
        for live in list(self._formers.get(owner, _NONE).values()):
            former = live.former
            if former and klass in (None, former.klass):
                self._remove_former(live)
                live.former = None

    def remove(self, live: LiveExpectation) -> None:
        """Remove an expectation that is not in the kernel any more, with all claims to it."""
        self._remove(live)

    def expire(self, now: float) -> Iterator[LiveExpectation]:
        """Remove the expectations whose claims have ended; yield those that the kernel still has."""
        while self._ends and self._ends[0][0] <= now:
            _, key = heapq.heappop(self._ends)
            live = self._live.get(key)
            if live is None or live.claim.until > now:
                continue
            self._remove(live)
            if live.former is not None and live.former.until > now:
                self._add(LiveExpectation(key, live.expectation, live.former, live.kernel_end))
            elif live.ends_early:
                yield live

    def _add(self, live: LiveExpectation) -> None:
        claim = live.claim
        live.registered = True
        self._live[live.key] = live
        owned = self._owned.get(claim.owner)
        if owned is None:
            owned = self._owned[claim.owner] = {}
        owned[live.key] = live
        self._add_former(live)
        self._count(claim.account, 1)
        heapq.heappush(self._ends, (claim.until, live.key))
        if len(self._ends) > 64 + 2 * len(self._live):
            self._ends = [(live.claim.until, live.key) for live in self._live.values()]
            heapq.heapify(self._ends)

    def _remove(self, live: LiveExpectation) -> None:
        owner = live.claim.owner
        live.registered = False
        del self._live[live.key]
        self._remove_former(live)
        del self._owned[owner][live.key]
        if not self._owned[owner]:
            del self._owned[owner]
        self._count(live.claim.account, -1)

    def _add_former(self, live: LiveExpectation) -> None:
        if live.former is not None:
            self._formers.setdefault(live.former.owner, {})[live.key] = live

    def _remove_former(self, live: LiveExpectation) -> None:
        if live.former is None:
            return
        owned = self._formers[live.former.owner]
        del owned[live.key]
        if not owned:
            del self._formers[live.former.owner]

    def _count(self, account: Account, change: int) -> None:
        client, party = account.split()
        _change(self._counts, account, change)
        if client is not account:
            _change(self._counts, client, change)
        _change(self._parties, party, change)


def _change(counts: dict[T, int], key: T, change: int) -> None:
    count = counts.get(key, 0) + change
    if count:
        counts[key] = count
    else:
        del counts[key]
