"""Which live expectations the kernel is asked about, after it has reported an end."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

from claims import ANSWER, Gateway

from fwhelpers.engine.expectation_key import Connection, ExpectationId, key_of
from fwhelpers.engine.registry import Account, Claim, LiveExpectation, Registry
from fwhelpers.engine.suspects import MAX_ASKED, Suspects
from fwhelpers.kernel import expect
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for

CLIENTS = [bytes((10, 0, 1, host)) for host in (2, 3)]
SERVER = bytes((10, 0, 2, 2))
QUOTA = "32 expectations of this client are alive (guard.max_per_source)"


def enter(registry: Registry, port: int, client: bytes = CLIENTS[0]) -> LiveExpectation:
    expected = Tuple(client, SERVER, 6, 0, port)
    master = Tuple(client, SERVER, 6, 40000, 21)
    expectation = Expectation(master, expected, mask_for(expected))
    claim = Claim(Connection(0, master), 0, Account("test", client), 1.0, 61.0)
    return registry.enter(expectation, claim, 61.0)


def identity(live: LiveExpectation) -> ExpectationId:
    return ExpectationId(key_of(live.expectation), live.expectation.master)


def test_only_the_partys_own_are_asked_about() -> None:
    registry = Registry()
    suspects = Suspects(registry)
    first, second = enter(registry, 5000), enter(registry, 5000, CLIENTS[1])
    suspects.add([identity(first), identity(second)])
    assert suspects.pop(first.claim.account, 2.0) == [first]
    assert suspects.pop(first.claim.account, 2.0) == []
    assert suspects.pop(second.claim.account, 2.0) == [second]
    assert len(suspects) == 0


def test_of_a_full_registry_anybodys_are() -> None:
    registry = Registry(max_alive=1)
    suspects = Suspects(registry)
    live = enter(registry, 5000)
    suspects.add([identity(live)])
    assert suspects.pop(Account("test", CLIENTS[1]), 2.0) == [live]


def test_one_whose_verdict_may_not_have_been_sent_waits() -> None:
    registry = Registry()
    suspects = Suspects(registry)
    live = enter(registry, 5000)
    suspects.add([identity(live)])
    assert suspects.pop(live.claim.account, live.claim.since) == []
    assert suspects.pop(live.claim.account, live.claim.since + 0.001) == [live]


def test_a_few_at_a_time_and_none_twice() -> None:
    registry = Registry()
    suspects = Suspects(registry)
    lives = [enter(registry, port) for port in range(5000, 5100)]
    for _ in range(3):
        suspects.add(map(identity, lives))
    assert len(suspects) == 100
    popped = []
    while some := suspects.pop(lives[0].claim.account, 2.0):
        assert len(some) <= MAX_ASKED
        popped += some
    assert popped == lives


def test_those_that_the_engine_has_removed_are_dropped() -> None:
    """A party that never reaches a bound leaves nothing behind."""
    registry = Registry()
    suspects = Suspects(registry)
    for port in range(1, 10_000):
        live = enter(registry, port)
        suspects.add([identity(live)])
        registry.remove(live)
    assert len(suspects) <= 65
    live = enter(registry, 1)
    suspects.add([identity(live)])
    assert suspects.pop(live.claim.account, 2.0) == [live]


# the quota of a client, of which used expectations are no part


def test_used_expectations_do_not_count() -> None:
    """The kernel reports no use to the worker: it is asked when the quota is used up."""
    gateway = Gateway()
    connection = gateway.connect("10.0.1.2:40000")
    for port in range(5000, 5032):
        gateway.send(connection, f"ONCE {port}")
        gateway.advance(0.05)
    gateway.advance(1)
    gateway.send(connection, "ONCE 6000")
    assert gateway.refusals == [QUOTA]
    gateway.kernel.use(5007)
    gateway.advance(2)
    gateway.send(connection, "ONCE 6001", "ONCE 6002")
    assert 6001 in gateway.kernel.ports
    assert 6002 not in gateway.kernel.ports


def test_a_client_at_its_quota_causes_few_questions() -> None:
    gateway = Gateway()
    connection = gateway.connect("10.0.1.2:40000")
    for port in range(5000, 5032):
        gateway.send(connection, f"ONCE {port}")
    gateway.advance(2)
    before = len(gateway.kernel.requests)
    for port in range(6000, 6100):
        gateway.send(connection, f"ONCE {port}")
    assert len(gateway.kernel.requests) - before == 32


def test_subscriptions_that_come_and_go_leave_nothing_behind() -> None:
    """C1."""
    gateway = Gateway()
    flows = []
    for port in range(2000):
        connection = gateway.connect(f"10.0.1.2:{20000 + port}")
        gateway.send(connection, "KEEP 5000 1800", "CANCEL")
        ((key, state),) = gateway.inspector._flows.all()
        flows.append(weakref.ref(state.parser))
        gateway.inspector._flows.remove(key)
        del state
        gateway.now += 0.02
    gc.collect()
    assert sum(flow() is not None for flow in flows) == 0
    assert len(gateway.inspector._registry._ends) <= 66


def test_one_device_does_not_use_up_the_askers_quota() -> None:
    """B4: of the answers to a search, those of one host open a part of what the asker may have."""
    gateway = Gateway(ANSWER)
    hostile = gateway.connect("10.0.1.9:1900")
    hostile.extra = {"status": 8 | 0x2000 | 1}  # expected
    for port in range(5000, 5031):
        gateway.send(hostile, str(port))
        gateway.now += 0.1
    assert len(gateway.kernel.ports) == 8
    honest = gateway.connect("10.0.1.10:1900")
    honest.extra = hostile.extra
    gateway.send(honest, "6000")
    assert 6000 in gateway.kernel.ports


def test_an_ipv6_network_does_not_take_everybodys_place() -> None:
    """C8."""
    gateway = Gateway()
    for host in range(2, 42):
        connection = gateway.connect(f"[2001:db8:1::{host:x}]:40000")
        connection.server = connection.server.parse("2001:db8:2::2", 21)
        connection.orig = connection.orig._replace(dst=connection.server.addr)
        connection.reply = connection.reply._replace(src=connection.server.addr)
        for port in range(5000, 5032):
            gateway.send(connection, f"ONCE {port}")
            gateway.now += 0.01
    assert len(gateway.kernel.ports) == 256
    gateway.send(gateway.connect("10.0.1.2:40000"), "ONCE 5000")
    assert len(gateway.kernel.ports) == 257


def test_used_expectations_make_room_at_once() -> None:
    """The kernel's reports tell the worker which of them to ask for."""
    gateway = Gateway()
    connection = gateway.connect("10.0.1.2:40000")
    for port in range(5000, 5032):
        gateway.send(connection, f"ONCE {port}")
    gateway.now += 0.01
    gateway.kernel.use(5007)
    before = len(gateway.kernel.requests)
    gateway.send(connection, "ONCE 6001")
    assert gateway.kernel.requests[before:] == [expect.GET, expect.NEW]
    gateway.send(connection, "ONCE 6002")
    assert gateway.refusals == [QUOTA]
    assert 6001 in gateway.kernel.ports


def test_a_boot_storm_of_one_client_is_not_refused() -> None:
    """Each port is used before the next is announced, many times the client's quota in a second."""
    gateway = Gateway()
    connection = gateway.connect("10.0.1.2:40000")
    for port in range(5000, 5090):
        gateway.send(connection, f"ONCE {port}")
        gateway.kernel.use(port)
        gateway.now += 0.011
    assert gateway.refusals == []


def test_an_outdated_report_frees_nothing() -> None:
    """The kernel reported the end of one that was created again since."""
    gateway = Gateway()
    connection = gateway.connect("10.0.1.2:40000")
    gateway.send(connection, "ONCE 5000", "CANCEL", "ONCE 5000")
    for port in range(5001, 5032):
        gateway.send(connection, f"ONCE {port}")
    gateway.now += 0.01
    assert gateway.kernel.events
    gateway.send(connection, "ONCE 6000")
    assert gateway.refusals == [QUOTA]
    assert not gateway.kernel.events


def test_after_a_lost_report_the_kernel_is_asked() -> None:
    gateway = Gateway()
    connection = gateway.connect("10.0.1.2:40000")
    for port in range(5000, 5032):
        gateway.send(connection, f"ONCE {port}")
    gateway.kernel.use(5007)
    gateway.kernel.events[:] = [None]
    gateway.now += 0.5
    gateway.send(connection, "ONCE 6000")
    assert gateway.refusals == []
    assert 6000 in gateway.kernel.ports


def test_reports_of_other_helpers_are_ignored() -> None:
    gateway = Gateway()
    connection = gateway.connect("10.0.1.2:40000")
    gateway.send(connection, "ONCE 5000")
    (expectation,) = gateway.kernel.expectations.values()
    other = replace(expectation, master=expectation.master._replace(sport=40001))
    gateway.kernel.events += [other, replace(expectation, zone=7)]
    gateway.advance(1)
    assert len(gateway.inspector._expectations._suspects) == 0
    assert not gateway.kernel.events
