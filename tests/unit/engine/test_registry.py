from __future__ import annotations

import sys
from typing import Any

import pytest
from entries import account, client, enter, expected, owner
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from fwhelpers.engine.expectation_key import Connection, key_of
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.registry import MAX_ALIVE, Account, LiveExpectation, Registry


def address6(net: int, host: int) -> bytes:
    return bytes.fromhex("20010db8") + net.to_bytes(4, "big") + host.to_bytes(8, "big")


def rejects(registry: Registry, on: Account, limits: Limits | None = None) -> bool:
    return registry.check(on, limits or Limits()) is not None


# owners


def test_an_expectation_that_many_connections_renew_counts_once() -> None:
    registry = Registry()
    for port in range(100):
        enter(registry, by=owner(port=port), since=port, until=port + 60)
        assert not rejects(registry, account())
    assert len(registry) == 1


def test_a_renewal_needs_no_further_place() -> None:
    registry = Registry()
    lives = [enter(registry, port) for port in range(3000, 3032)]
    assert rejects(registry, account())
    assert registry.check(account(), Limits(), lives[7]) is None


def test_a_takeover_by_another_client_needs_a_place_of_its_own() -> None:
    registry = Registry()
    for port in range(3000, 3032):
        enter(registry, port)
    other = enter(registry, 4000, owner(2), account(2))
    assert registry.check(account(), Limits(), other)


def test_a_takeover_moves_the_count() -> None:
    registry = Registry()
    limits = Limits(max_per_source=1)
    enter(registry)
    assert rejects(registry, account(1), limits)
    enter(registry, by=owner(2), on=account(2))
    assert not rejects(registry, account(1), limits)
    assert rejects(registry, account(2), limits)


def test_the_end_of_the_first_claim_leaves_a_renewed_expectation_alone() -> None:
    registry = Registry()
    enter(registry, until=30, kernel_end=60)
    enter(registry, by=owner(port=2), since=20, until=50, kernel_end=80)
    assert list(registry.expire(31)) == []
    assert len(registry) == 1
    (ended,) = registry.expire(51)
    assert ended.claim.owner == owner(port=2)
    assert len(registry) == 0


def test_the_former_owner_keeps_what_the_owner_withdraws() -> None:
    registry = Registry()
    enter(registry, until=1800, kernel_end=1800)
    live = enter(registry, by=owner(port=2), since=100, until=130, kernel_end=1900)
    assert registry.withdraw(live) is False
    (kept,) = registry.of(owner())
    assert kept.claim.until == 1800
    assert registry.withdraw(kept) is True
    assert len(registry) == 0


def test_the_former_owner_keeps_what_ends_early_for_the_owner() -> None:
    registry = Registry()
    enter(registry, until=1800, kernel_end=1800)
    enter(registry, by=owner(port=2), since=100, until=130, kernel_end=1900)
    assert list(registry.expire(131)) == []
    assert registry.of(owner())
    (ended,) = registry.expire(1801)
    assert ended.ends_early


def test_of_many_former_owners_the_longest_claim_counts() -> None:
    registry = Registry()
    for port, until in ((1, 500), (2, 900), (3, 700), (4, 100)):
        live = enter(registry, by=owner(port=port), until=until, kernel_end=2000)
    assert registry.withdraw(live) is False
    assert registry.of(owner(port=2))


def test_a_former_owner_withdraws_its_claim_only() -> None:
    registry = Registry()
    enter(registry, until=1800, kernel_end=1800)
    enter(registry, by=owner(port=2), since=100, until=130, kernel_end=1900)
    registry.withdraw_former(owner(), None)
    assert registry.of(owner(port=2))
    (ended,) = registry.expire(131)
    assert ended.former is None


def test_another_account_gets_nothing_back() -> None:
    """It could exceed its quota otherwise."""
    registry = Registry()
    enter(registry, until=1800, kernel_end=1800)
    live = enter(registry, by=owner(2), on=account(2), since=100, until=130, kernel_end=1900)
    assert registry.withdraw(live) is True


def test_an_ended_claim_is_no_former_claim() -> None:
    registry = Registry()
    enter(registry, until=30, kernel_end=60)
    live = enter(registry, by=owner(port=2), since=40, until=90, kernel_end=100)
    assert live.former is None


def test_the_kernel_ends_what_lives_as_long_as_its_policy() -> None:
    registry = Registry()
    enter(registry, until=60, kernel_end=60)
    assert list(registry.expire(61)) == []
    assert len(registry) == 0


# bounds


def test_the_clients_quota() -> None:
    registry = Registry()
    lives = [enter(registry, port) for port in range(3000, 3032)]
    assert rejects(registry, account(1))
    assert not rejects(registry, account(2))
    registry.remove(lives[0])
    assert not rejects(registry, account(1))


def test_one_hosts_answers_do_not_use_up_the_askers_quota() -> None:
    registry = Registry()
    hostile, honest = account(1, b"\1" * 4), account(1, b"\2" * 4)
    count = 0
    while not rejects(registry, hostile):
        enter(registry, 3000 + count, on=hostile)
        count += 1
    assert count == 8
    assert not rejects(registry, honest)
    assert not rejects(registry, account(1))


def test_the_answers_of_all_hosts_count_for_the_asker() -> None:
    registry = Registry()
    for number in range(32):
        enter(registry, 3000 + number, on=account(1, bytes((number,) * 4)))
    assert rejects(registry, account(1))


def test_one_ipv6_network_does_not_take_the_whole() -> None:
    registry = Registry()
    count = 0
    for host in range(100):
        on = Account("ftp", address6(1, host))
        while not rejects(registry, on) and count < MAX_ALIVE:
            enter(registry, 3000 + count, on=on)
            count += 1
    assert count == MAX_ALIVE // 4
    assert not rejects(registry, Account("ftp", address6(2, 1)))
    assert not rejects(registry, account(1))


def test_one_address_does_not_take_the_whole_by_many_helpers() -> None:
    registry = Registry(max_alive=64)
    for number in range(16):
        enter(registry, 3000 + number, on=Account(f"h{number}", client(1)))
    assert rejects(registry, account(1))
    assert not rejects(registry, account(2))


def test_the_whole_is_bounded() -> None:
    registry = Registry(max_alive=100)
    for number in range(100):
        assert not rejects(registry, account(number))
        enter(registry, 3000 + number, owner(number), account(number))
    assert rejects(registry, account(200))


def test_short_lives_leave_nothing_behind() -> None:
    registry = Registry()
    for number in range(10_000):
        live = enter(registry, 3000 + number % 50, owner(number % 9, number), until=1e9)
        registry.withdraw_former(live.claim.owner, None)
        while (current := registry.get(live.key)) is not None:
            registry.withdraw(current)
    assert len(registry) == 0
    assert len(registry._ends) <= 66
    for table in (registry._owned, registry._counts, registry._parties, registry._formers):
        assert not table


LIMITS = Limits(max_per_source=4)
CLIENTS = st.integers(1, 4)
PORTS = st.integers(3000, 3009)


class RegistryMachine(RuleBasedStateMachine):
    """Against a model that keeps every claim, and finds the owner and the counts anew each time."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = Registry(max_alive=16)
        self.now = 0.0
        self.owners: dict[int, tuple[Connection, Account, float]] = {}  # by port

    def live(self, port: int) -> LiveExpectation | None:
        return self.registry.get(key_of(expected(port)))

    @rule(
        number=CLIENTS, source=st.integers(1, 3), port=PORTS, answerer=st.sampled_from([b"", b"a"]),
        lifetime=st.integers(1, 60),
    )  # fmt: skip
    def announce(self, number: int, source: int, port: int, answerer: bytes, lifetime: int) -> None:
        on, by = account(number, answerer), owner(number, source)
        if self.registry.check(on, LIMITS, self.live(port)) is None:
            until = self.now + lifetime
            enter(self.registry, port, by, on, self.now, until, self.now + 60)
            self.owners[port] = by, on, until

    @rule(number=CLIENTS, source=st.integers(1, 3), port=PORTS)
    def cancel(self, number: int, source: int, port: int) -> None:
        by = owner(number, source)
        self.registry.withdraw_former(by, None)
        for live in list(self.registry.of(by)):
            assert live.claim.owner == by
            self.registry.withdraw(live)
        assert not self.registry.of(by)
        self.adopt()

    @rule(port=PORTS)
    def use(self, port: int) -> None:
        live = self.live(port)
        if live is not None:
            self.registry.remove(live)
            del self.owners[port]

    @rule(seconds=st.integers(0, 40))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        for ended in self.registry.expire(self.now):
            assert ended.claim.until <= self.now < ended.kernel_end or ended.ends_early
        assert all(live.claim.until > self.now for live in self.registry)
        self.adopt()

    def adopt(self) -> None:
        """Another's expectation is as it was; what lost its owner is gone, or a former owner's."""
        current = {live.key.expected.dport: live.claim for live in self.registry}
        for port, (by, on, until) in self.owners.items():
            claim = current.get(port)
            if claim is not None and claim.owner == by:
                assert (claim.account, claim.until) == (on, until)
        self.owners = {p: (c.owner, c.account, c.until) for p, c in current.items()}

    @invariant()
    def owners_are_known(self) -> None:
        lives = {live.key.expected.dport: live.claim.owner for live in self.registry}
        assert lives == {port: by for port, (by, _, _) in self.owners.items()}
        for by in set(lives.values()):
            assert len(self.registry.of(by)) == list(lives.values()).count(by)

    @invariant()
    def the_bounds_hold(self) -> None:
        accounts = [on for _, on, _ in self.owners.values()]
        for on in set(accounts):
            assert sum(other.client == on.client for other in accounts) <= 4
            assert not on.answerer or accounts.count(on) <= 1
            assert sum(other.party == on.party for other in accounts) <= 4
        assert len(self.registry) <= 16

    @invariant()
    def nothing_leaks(self) -> None:
        registry = self.registry
        assert len(registry._ends) <= 64 + 2 * len(registry) + 1
        formers = {
            (live.former.owner, live.key): live for live in registry if live.former is not None
        }
        assert formers == {(o, k): v for o, of in registry._formers.items() for k, v in of.items()}
        assert all(registry._formers.values())
        assert sum(map(len, registry._owned.values())) == len(registry)
        assert all(registry._owned.values())
        assert all(count > 0 for count in registry._counts.values())


TestRegistryMachine = RegistryMachine.TestCase
TestRegistryMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_the_end_of_a_connection_costs_the_same_whatever_others_have() -> None:
    """Each connection that is given up withdraws its claims, and an attacker's messages give up many."""

    def steps(others: int) -> int:
        registry = Registry(4096)
        for number in range(others):
            enter(registry, 3000 + number, by=owner(1, 1000), until=50)
            enter(registry, 3000 + number, by=owner(1, 2000), until=60)
        count = 0

        def trace(frame: object, event: str, argument: object) -> Any:
            nonlocal count
            count += event == "line"
            return trace

        former = sys.gettrace()
        sys.settrace(trace)
        try:
            registry.withdraw_former(owner(2), None)
        finally:
            sys.settrace(former)
        return count

    assert steps(10) == steps(1000)


@pytest.mark.parametrize("size", [4, 16])
def test_the_party_of_an_address(size: int) -> None:
    assert len(Account("ftp", bytes(size)).party) == min(size, 8)
