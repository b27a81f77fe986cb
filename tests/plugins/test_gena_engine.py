"""GENA through the engine; the parser alone is in test_gena.py."""

from __future__ import annotations

from errno import EBUSY, EEXIST

import gena_messages as m
import pytest
from connection import Connection, FakeMaker, payload_of
from fwhelpers_plugins.gena import fwhelpers_helpers

from fwhelpers.api import Endpoint
from fwhelpers.engine import handover
from fwhelpers.engine.guard import Prefix
from fwhelpers.engine.headers import ACK, FIN
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.engine.verdict import Report
from fwhelpers.kernel.conntrack import IPS_FIXED_TIMEOUT

(GENA,) = fwhelpers_helpers()


class Links(dict[int, list[Prefix]]):
    """Prefixes by interface, of a machine whose addresses do not matter."""

    def __call__(self, index: int) -> list[Prefix]:
        return self.get(index, [])

    def own(self, addr: bytes) -> bool:
        return False


@pytest.mark.parametrize(
    ("client_address", "network", "interface", "opened"),
    [
        ("2001:db8:1::2", "2001:db8:1::/64", 2, True),
        ("2001:db8:2::2", "2001:db8:1::/64", 2, False),  # forwarded to a shared uplink
        ("2001:db8:1::2", "2001:db8:1::/64", 3, False),  # another link's prefix
        ("2001:db8:1::2", "2001::/16", 2, False),  # no link is so large
    ],
)
def test_a_device_with_a_public_address_is_on_the_link_of_its_control_point(
    client_address: str, network: str, interface: int, opened: bool
) -> None:
    address, length = network.split("/")
    prefix = Prefix.around(Endpoint.parse(address).addr, int(length))
    reports: list[Report] = []
    inspector = Inspector(
        {"gena": Active(GENA)}, FakeMaker(), reports.append, links=Links({interface: [prefix]})
    )
    flow = Connection(
        GENA, "tcp", f"[{client_address}]:40000", "[2001:db8:1::9]:1400", inspector=inspector
    )
    flow.c(m.subscribe(b"<http://[%s]:49200/>" % client_address.encode()))
    assert [report.kind for report in reports] == (["expected"] if opened else ["refused", "done"])
    ((_, state),) = inspector._flows.all()
    record = handover.record_of((b"", 1), state)
    assert record is None or record.on_link == opened


def connection(
    ends: tuple[str, str] = ("10.0.1.2:40000", "10.0.2.2:49152"), **options: object
) -> Connection:
    return Connection(GENA, "tcp", *ends, **options)  # type: ignore[arg-type]


def test_the_expectation() -> None:
    c = connection()
    verdict = c.c(m.subscribe())
    c.s(m.accepted())
    assert set(c.expected) == {"10.0.2.2 > 10.0.1.2:49200"}
    expectation = c.maker.renewed[-1]
    assert (expectation.flags, expectation.timeout, expectation.klass, expectation.helper) == (
        1,
        1860,
        0,
        "",
    )
    # the kernel would remove the expectation with the entry of the connection
    assert verdict.outlived
    end = c.end()
    assert end.timeout == 1860
    assert end.status is not None
    assert end.status & IPS_FIXED_TIMEOUT


def test_the_end_of_a_connection_before_another_packet_of_a_batch() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    end = c.packet(b"", False, flags=FIN | ACK).decode()
    later = c.packet(b"HTTP", True).decode()
    _, verdict = c.inspector.packets([end, later], c.now)
    assert verdict.timeout == 1861


def test_the_end_of_a_connection_whose_flow_was_evicted() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    (key,) = (key for key, _ in c.inspector._flows.all())
    c.inspector._flows.remove(key)
    assert c.end(reply=True).timeout == 1860


def test_a_connection_that_stays_open_renews_its_subscription() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    c.now += 1000
    c.c(m.renew())
    c.s(m.accepted())
    assert c.end().timeout == 1860


def test_a_fixed_timeout_is_set_once() -> None:
    """The kernel refuses another one, and with it the rest of the verdict's changes."""
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted(b"Second-300"))
    c.extra = {"status": 8 | 0x2000 | IPS_FIXED_TIMEOUT, "timeout": 20}
    c.now += 340
    verdict = c.c(m.GET)
    assert verdict.timeout is None
    assert verdict.status is None


def test_without_a_response_the_expectation_is_withdrawn() -> None:
    c = connection()
    verdict = c.c(m.subscribe())
    assert verdict.status is None
    c.inspector.tick(c.now + 31)
    assert len(c.maker.deleted) == 1


def test_after_the_response_the_expectation_stays() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    c.inspector.tick(c.now + 31)
    assert c.maker.deleted == []


@pytest.mark.parametrize(
    ("callback", "rule"),
    [
        (b"<http://10.0.1.3:49200/>", "G5"),
        (b"<http://127.0.0.1:49200/>", "G5"),
        (b"<http://10.0.1.2:22/>", "G6"),
        (b"<http://10.0.1.2:3306/>", "G6"),
        (b"<http://pc.lan:49200/>", "G11"),
    ],
)
def test_callstranger(callback: bytes, rule: str) -> None:
    """CVE-2020-12695: devices accept any host in CALLBACK."""
    c = connection()
    c.c(m.subscribe(callback))
    c.s(m.accepted())
    assert c.expected == []
    assert rule in c.refused


def another(c: Connection, number: int = 1) -> Connection:
    """Return another connection of the same control point to the device."""
    ends = f"10.0.1.2:{40000 + number}", "10.0.2.2:49152"
    d = connection(ends, inspector=c.inspector, maker=c.maker)
    d.now = c.now
    return d


def test_a_renewal_after_the_connection_has_ended() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    c.end()
    d = another(c)
    d.now += 900
    d.c(m.renew())
    d.s(m.accepted())
    assert c.maker.created[-1].master == d.orig
    assert c.maker.created[-1].tuple == c.maker.created[0].tuple


def test_a_renewal_while_the_connection_is_open() -> None:
    """The kernel would have to delete the expectation for another master."""
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    d = another(c)
    d.now += 900
    d.c(m.renew())
    d.s(m.accepted())
    assert [e.master for e in c.maker.created] == [c.orig]
    # the entry of its master lives as long as the renewed subscription
    c.now = d.now
    assert c.end().timeout == 1860
    # the manager, which deletes what is overdue, gets to know of it
    reported = [r.expectation for r in c.notes if r.kind == "renewed" and r.expectation]
    assert [(e.master, e.timeout) for e in reported] == 2 * [(c.orig, 1860)]


@pytest.mark.parametrize(("later", "masters"), [(50, 1), (70, 2)])
def test_a_subscription_after_the_connection_has_ended(later: int, masters: int) -> None:
    """It may end a 32nd of its lifetime early, which is less than GENA's grace of a minute."""
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted(sid=b"uuid:1"))
    c.end()
    d = another(c)
    d.now += later
    d.c(m.subscribe())
    d.s(m.accepted(sid=b"uuid:2"))
    assert len({e.master for e in c.maker.created}) == masters


def test_subscriptions_with_one_callback_share_an_expectation() -> None:
    c = connection()
    c.c(m.subscribe())
    others = [another(c, number) for number in range(1, 7)]
    for d in others:
        d.now += 0.5
        d.c(m.subscribe())
    for number, d in enumerate(others):
        d.s(m.accepted(sid=b"uuid:%d" % number))
        d.end()
    c.now += 1
    c.s(m.accepted())
    assert [e.master for e in c.maker.created] == [c.orig]
    assert c.maker.deleted == c.maker.released == []
    c.inspector.tick(c.now + 1700)
    assert c.maker.deleted == []


def test_the_others_outlive_the_connection_that_was_first() -> None:
    """It is given up, and its entry stays for their subscriptions."""
    c = connection()
    c.c(m.subscribe())
    d = another(c)
    d.c(m.subscribe())
    d.s(m.accepted())
    c.s(b"no response of HTTP\r\n")
    assert c.maker.deleted == []
    assert c.end().timeout == 1861  # rounded up


def test_an_unsubscription_leaves_the_other_subscription() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted(sid=b"uuid:1"))
    c.c(m.subscribe())
    c.s(m.accepted(sid=b"uuid:2"))
    c.c(m.unsubscribe(b"uuid:1"))
    c.s(m.OK)
    c.c(m.subscribe())
    c.s(m.NO)
    assert c.maker.released == []
    c.c(m.unsubscribe(b"uuid:2"))
    c.s(m.OK)
    assert c.maker.released == [c.maker.created[0].tuple]


def test_an_unsubscription_on_another_connection() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    d = connection(("10.0.1.2:40001", "10.0.2.2:49152"), inspector=c.inspector, maker=c.maker)
    d.c(m.unsubscribe())
    d.s(m.OK)
    assert c.maker.released == [c.maker.created[0].tuple]


def test_the_sid_of_another_client_is_ignored() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    before = len(c.maker.created)
    d = connection(("10.0.1.3:40001", "10.0.2.2:49152"), inspector=c.inspector, maker=c.maker)
    d.c(m.unsubscribe())
    d.s(m.OK)
    d.c(m.renew())
    d.s(m.accepted())
    assert len(c.maker.created) == before
    assert c.maker.released == []


def test_behind_masquerading_the_callback_is_rewritten() -> None:
    c = connection(seen_client="192.0.2.9:1024")
    verdict = c.c(m.subscribe())
    assert b"CALLBACK: <http://192.0.2.9:49200/>\r\n" in payload_of(verdict)
    c.s(m.accepted())
    expectation = c.maker.created[-1]
    assert c.expected[-1] == "10.0.2.2 > 192.0.2.9:49200"
    assert expectation.nat
    assert (expectation.nat.src, expectation.nat.sport, expectation.fn) == (
        Endpoint.parse("10.0.1.2").addr,
        49200,
        "nat-follow-master",
    )


def test_another_port_if_the_callbacks_port_is_in_use() -> None:
    maker = FakeMaker(errors=lambda e: EBUSY if e.tuple.dport == 49200 else 0)
    c = connection(seen_client="192.0.2.9:1024", maker=maker)
    assert b"<http://192.0.2.9:49201/>" in payload_of(c.c(m.subscribe()))
    c.now += 5
    c.s(m.accepted())
    assert [e.tuple.dport for e in maker.created] == [49201]
    assert [e.tuple.dport for e in maker.renewed] == [49201]


def test_ipv6_behind_masquerading_keeps_its_length() -> None:
    c = Connection(GENA, "tcp", "[fd01::2]:40000", "[fd02::2]:49152", seen_client="[fd02::9]:1024")
    request = m.subscribe(b"<http://[fd01::2]:49200/>")
    verdict = c.c(request)
    assert len(payload_of(verdict, 60)) == len(request)
    assert b"<http://[fd02::9]:49200/>" in payload_of(verdict, 60)


def test_an_equal_expectation_of_an_earlier_connection_is_replaced() -> None:
    maker = FakeMaker(errors=lambda e: EEXIST)
    c = connection(maker=maker)
    c.c(m.subscribe())
    assert c.expected == ["10.0.2.2 > 10.0.1.2:49200"]


def test_connections_of_one_client_share_a_memory() -> None:
    inspector = Inspector({"gena": Active(GENA)}, FakeMaker())
    first = connection(inspector=inspector)
    first.c(m.GET)
    second = connection(("10.0.1.2:40009", "10.0.2.2:49152"), inspector=inspector)
    second.c(m.GET)
    parsers = [state.parser for _, state in inspector._flows.all()]
    parsers[0].memory[b"k"] = b"v"
    assert parsers[1].memory[b"k"] == b"v"


def test_subscriptions_are_handed_over_to_the_next_worker() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    successor = Inspector({"gena": Active(GENA)}, c.maker)
    successor.resume(c.inspector.hand_over())
    d = connection(("10.0.1.2:40001", "10.0.2.2:49152"), inspector=successor, maker=c.maker)
    d.now = c.now + 900
    d.c(m.renew())
    d.s(m.accepted())
    assert c.maker.created[-1].master == d.orig


def test_one_client_does_not_displace_the_subscriptions_of_others() -> None:
    """Attack C6."""
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    greedy = connection(("10.0.1.66:40000", "10.0.2.2:49152"), inspector=c.inspector, maker=c.maker)
    for number in range(2000):
        greedy.c(m.subscribe(b"<http://10.0.1.66:49200/>"))
        greedy.s(m.accepted(sid=b"uuid:%d" % number))
    c.end()
    d = another(c)
    d.now = greedy.now + 900
    d.c(m.renew())
    d.s(m.accepted())
    assert c.maker.created[-1].master == d.orig


def test_a_callback_that_is_refused_is_not_remembered() -> None:
    for callback in (b"<http://10.0.1.3:49200/>", b"<http://10.0.1.2:80/>"):
        c = connection()
        c.c(m.subscribe(callback))
        c.s(m.accepted())
        ((_, state),) = c.inspector._flows.all()
        assert len(state.parser.memory) == 0
