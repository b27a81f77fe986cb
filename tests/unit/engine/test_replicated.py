"""Records of the other gateway: what an honest one reports comes back, and a hostile one opens nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import DatagramParser, Endpoint, Expect, Flow, Helper, LineParser, Policy
from fwhelpers.engine.active import Active
from fwhelpers.engine.expectation_key import Connection, leads_to
from fwhelpers.engine.guard import Limits, Prefix, judge
from fwhelpers.engine.nat import plan
from fwhelpers.engine.registry import Account, Registry
from fwhelpers.engine.replicated import Machine, Replicated
from fwhelpers.engine.takeover import Finding, examine
from fwhelpers.kernel.conntrack import IPS_EXPECTED, Conntrack, Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for

C, S = bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2))
OUTER, INNER = bytes((10, 0, 2, 1)), bytes((10, 0, 1, 1))
MEDIA, GATEWAY, BROADCAST = bytes((10, 0, 2, 9)), bytes((10, 0, 2, 3)), bytes((10, 0, 2, 255))
PEERS = {"none": (S, C), "snat": (S, OUTER), "dnat": (INNER, C), "both": (INNER, OUTER)}
SIP = Helper(
    "sip", "udp", [5060], DatagramParser,
    policies=[
        Policy("signal", timeout=30, max=2), Policy("audio", timeout=180, max=8, third_party=True),
        Policy("child", timeout=30, max=8, children_only=True),
    ],
)  # fmt: skip
FTP = Helper("ftp", "tcp", [21], LineParser, policies=[Policy("data", timeout=60, max=4)])
ANNOUNCED = Limits(address="announced")


class Links:
    """The gateway has one address of its own."""

    def __call__(self, index: int) -> Sequence[Prefix]:
        return ()

    def own(self, addr: bytes) -> bool | None:
        return addr == GATEWAY


MACHINE = Machine(Links(), (Prefix(bytes((10, 0, 2, 0)), 24),))


def master(nat: str = "none", helper: str = "fw-sip", status: int = 0) -> Conntrack:
    seen_server, seen_client = PEERS[nat]
    l4, port = (17, 5060) if helper == "fw-sip" else (6, 21)
    orig = Tuple(C, seen_server, l4, 40000, port)
    return Conntrack(orig, Tuple(S, seen_client, l4, port, 40000), helper=helper, status=status)


def expectation(entry: Conntrack, event: Expect, klass: int = 1, visible: int = 0) -> Expectation:
    """What the engine of the other gateway creates for an announcement (`Announcement.expectation`)."""
    l4 = "udp" if entry.orig.l4 == 17 else "tcp"
    planned = plan(event, l4, entry.orig, entry.reply)
    planned = planned.at(visible) if visible else planned
    fn = ""
    if planned.nat is not None:
        fn = "sip" if planned.third_party else "nat-follow-master"
    sport = 0 if event.sport is None else event.sport_mask
    return Expectation(
        entry.orig, planned.tuple, mask_for(planned.tuple, sport, planned.prefix), klass, 0, 100,
        entry.helper, planned.nat, planned.nat_dir, fn,
    )  # fmt: skip


def record(expected: Expectation, remaining: float = 25.5, **fields: Any) -> Replicated:
    account = Account(expected.helper, expected.master.src)
    return Replicated(expected, remaining, account, **fields)


def judge_all(
    records: Sequence[Replicated],
    entry: Conntrack,
    limits: Limits = ANNOUNCED,
    committed: Sequence[Expectation] = (),
    helper: Helper = SIP,
    registry: Registry | None = None,
) -> list[Finding]:
    active = Active(helper, {}, limits)
    return examine(
        committed, {Connection(0, entry.orig): entry}, {helper.kernel_name: active},
        registry or Registry(), 0.0, records, MACHINE,
    )  # fmt: skip


def rule_of(expected: Expectation, entry: Conntrack, **options: Any) -> str:
    """Return the rule that refuses a record, or an empty text."""
    (finding,) = judge_all([record(expected)], entry, **options)
    assert finding.is_new
    return finding.refusal.rule if finding.refusal else ""


NATS = pytest.mark.parametrize("nat", PEERS)
EVENTS = {
    "to the client": Expect(Endpoint(S, 5060), Endpoint(C, 6000)),
    "to the server": Expect(Endpoint(C, 40000), Endpoint(S, 6000)),
    "from a third party to the client": Expect(Endpoint(MEDIA), Endpoint(C, 6000)),
    "from a third party to the server": Expect(Endpoint(MEDIA), Endpoint(S, 6000)),
    "to a third party": Expect(Endpoint(C, 40000), Endpoint(MEDIA, 6000)),
    "from one port": Expect(Endpoint(S, 5060), Endpoint(C, 6000), sport=7000),
    "from few ports": Expect(Endpoint(S, 5060), Endpoint(C, 6000), sport=512, sport_mask=0xFE00),
}


@NATS
@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
@pytest.mark.parametrize("visible", [0, 6002])
def test_what_the_other_gateway_opened_is_created(nat: str, event: Expect, visible: int) -> None:
    entry = master(nat)
    expected = expectation(entry, event, visible=visible if nat != "none" else 0)
    (finding,) = judge_all([record(expected)], entry)
    created = finding.replacement
    assert created is not None, finding.refusal
    assert (leads_to(created), created.fn, created.klass) == (leads_to(expected), expected.fn, 1)
    assert (created.timeout, finding.lifetime, finding.is_new) == (25, 25, True)


@NATS
@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
def test_what_conntrackd_committed_is_completed(nat: str, event: Expect) -> None:
    entry = master(nat)
    expected = expectation(entry, event)
    committed = replace(expected, nat=None, nat_dir=0, fn="", klass=0, timeout=300)
    (finding,) = judge_all([record(expected)], entry, committed=[committed])
    assert finding.replacement is not None, finding.refusal
    assert leads_to(finding.replacement) == leads_to(expected)
    assert (finding.replacement.klass, finding.lifetime, finding.is_new) == (1, 25, False)


@pytest.mark.parametrize(("timeout", "lifetime"), [(300, 25), (20, 0)])
def test_a_complete_one_lives_no_longer_than_at_the_other_gateway(
    timeout: int, lifetime: int
) -> None:
    entry = master()
    expected = expectation(entry, EVENTS["to the client"], klass=0)
    (finding,) = judge_all(
        [record(expected)], entry, committed=[replace(expected, timeout=timeout)]
    )
    assert (finding.replacement, finding.refusal, finding.lifetime) == (None, None, lifetime)


def test_any_source_where_it_is_allowed() -> None:
    entry = master("snat")
    event = Expect(Endpoint(bytes(4)), Endpoint(C, 6000), sources="any")
    expected = expectation(entry, event)
    assert rule_of(expected, entry, limits=Limits(address="any-src")) == ""
    assert rule_of(expected, entry) == "G8"


def test_permanent_stays() -> None:
    entry = master()
    expected = replace(expectation(entry, EVENTS["to the client"]), flags=PERMANENT | 4)
    (finding,) = judge_all([record(expected)], entry)
    assert finding.replacement is not None
    assert finding.replacement.flags == PERMANENT


def test_the_lifetime_is_at_most_the_policy_s() -> None:
    entry = master()
    expected = expectation(entry, EVENTS["to the client"])
    (finding,) = judge_all([record(expected, remaining=86400.0)], entry)
    assert finding.lifetime == 180


def test_what_has_no_time_left_is_ignored() -> None:
    entry = master()
    assert judge_all([record(expectation(entry, EVENTS["to the client"]), 0.9)], entry) == []


def test_what_a_former_take_over_had_is_completed_and_not_created() -> None:
    """Its connection may have used it here."""
    entry = master("snat")
    expected = expectation(entry, EVENTS["to the client"])
    committed = replace(expected, nat=None, nat_dir=0, fn="", klass=0, timeout=300)
    assert judge_all([record(expected, taken=True)], entry) == []
    (finding,) = judge_all([record(expected, taken=True)], entry, committed=[committed])
    assert finding.replacement is not None


# hostile records

HONEST = EVENTS["to the client"]
THIRD = EVENTS["from a third party to the client"]


def changed_tuple(expected: Expectation, **values: Any) -> Expectation:
    return replace(expected, tuple=expected.tuple._replace(**values))


@NATS
def test_third_parties_need_the_configuration_and_the_policy(nat: str) -> None:
    entry = master(nat)
    assert rule_of(expectation(entry, THIRD), entry, limits=Limits()) == "G8"
    assert rule_of(expectation(entry, THIRD, klass=0), entry) == "G8"
    other = Limits(addresses=(Prefix(bytes((192, 0, 2, 0)), 24),))
    assert rule_of(expectation(entry, THIRD), entry, limits=other) == "G8"
    assert rule_of(expectation(entry, EVENTS["to a third party"]), entry, limits=Limits()) == "G5"


@NATS
@pytest.mark.parametrize(
    ("host", "rule"),
    [
        (bytes((127, 0, 0, 1)), "G5"),
        (bytes((224, 0, 0, 1)), "G5"),
        (bytes((169, 254, 0, 1)), "G5"),
        (bytes((0, 0, 0, 1)), "G5"),
        (GATEWAY, "G16"),
        (BROADCAST, "G5"),
    ],
)
def test_special_hosts_are_no_destination(nat: str, host: bytes, rule: str) -> None:
    entry = master(nat)
    event = Expect(Endpoint(C, 40000), Endpoint(host, 6000))
    assert rule_of(expectation(entry, event), entry) == rule


@NATS
@pytest.mark.parametrize(
    "host", [bytes((224, 0, 0, 1)), bytes((127, 0, 0, 1)), bytes((0, 1, 0, 1))]
)
def test_special_hosts_are_no_source(nat: str, host: bytes) -> None:
    entry = master(nat)
    assert rule_of(expectation(entry, Expect(Endpoint(host), Endpoint(C, 6000))), entry) == "G8"


@NATS
@pytest.mark.parametrize("port", [0, 22, 1023, 3306])
def test_ports(nat: str, port: int) -> None:
    entry = master(nat)
    event = Expect(Endpoint(S, 5060), Endpoint(C, port))
    assert rule_of(expectation(entry, event), entry) == "G6"


@pytest.mark.parametrize("nat", ["snat", "dnat", "both"])
def test_the_visible_port_is_judged_as_well(nat: str) -> None:
    entry = master(nat)
    assert rule_of(expectation(entry, HONEST, visible=22), entry) == "G6"


@NATS
@pytest.mark.parametrize("prefix", [8, 24, 31])
def test_ranges_of_addresses(nat: str, prefix: int) -> None:
    entry = master(nat)
    expected = expectation(entry, HONEST)
    wide = replace(expected, mask=mask_for(expected.tuple, 0, prefix))
    assert rule_of(wide, entry, limits=Limits(address="any-src")) == "G8"


@NATS
@pytest.mark.parametrize(
    "mask", [{"dst": bytes(4)}, {"l4": 0}, {"l4": 6}, {"dport": 0}, {"dport": 0xFF00}], ids=str
)
def test_masks_of_the_destination(nat: str, mask: dict[str, Any]) -> None:
    entry = master(nat)
    expected = expectation(entry, HONEST)
    wide = replace(expected, mask=expected.mask._replace(**mask))
    assert rule_of(wide, entry) == "G15"


@pytest.mark.parametrize("nat", ["snat", "dnat", "both"])
def test_a_translation_to_another_host(nat: str) -> None:
    """It would lead the gateway's own address to a host that nobody announced."""
    entry = master(nat)
    for host in (bytes((10, 0, 1, 77)), S):
        expected = expectation(entry, HONEST)
        assert expected.nat is not None
        elsewhere = replace(expected, nat=expected.nat._replace(src=host))
        assert rule_of(elsewhere, entry)
        assert rule_of(elsewhere, entry, limits=Limits())


@pytest.mark.parametrize(
    ("changes", "nat"),
    [
        ({"nat": Tuple(C, bytes(4), 17, 6000, 0), "fn": "nat-follow-master"}, "none"),
        ({"nat": None, "fn": ""}, "snat"),
        ({"fn": ""}, "snat"),
        ({"fn": "sip"}, "snat"),
        ({"fn": "q931"}, "snat"),
        ({"fn": "q931"}, "none"),
        ({"nat_dir": 0}, "snat"),
    ],
    ids=str,
)
def test_another_translation_or_function(changes: dict[str, Any], nat: str) -> None:
    entry = master(nat)
    assert rule_of(replace(expectation(entry, HONEST), **changes), entry) == "G15"


@pytest.mark.parametrize(
    ("l4", "rule"), [(1, "G7"), (47, "G7"), (132, "G7"), (255, "G7"), (50, "G7")]
)
def test_other_protocols(l4: int, rule: str) -> None:
    entry = master()
    expected = changed_tuple(expectation(entry, HONEST), l4=l4)
    expected = replace(expected, mask=mask_for(expected.tuple))
    assert rule_of(expected, entry) == rule


def test_esp_of_a_helper_that_may_open_it() -> None:
    helper = replace(SIP, policies=[Policy("esp", timeout=60, l4="esp")])
    entry = master()
    event = Expect(Endpoint(S), Endpoint(C), l4="esp")
    expected = expectation(entry, event, klass=0)
    assert rule_of(expected, entry, helper=helper) == ""
    third = expectation(entry, Expect(Endpoint(MEDIA), Endpoint(C), l4="esp"), klass=0)
    assert rule_of(third, entry, helper=helper) == "G8"
    translated = master("snat")
    behind = expectation(translated, event, klass=0)
    assert rule_of(behind, translated, helper=helper) == "G15"


def test_another_family() -> None:
    entry = master()
    expected = changed_tuple(expectation(entry, HONEST), src=bytes(16), dst=bytes(16))
    assert rule_of(expected, entry) == "G7"


def test_another_helper() -> None:
    entry = master()
    assert rule_of(replace(expectation(entry, HONEST), helper="fw-ftp"), entry) == "G10"
    assert rule_of(expectation(entry, HONEST), replace(entry, helper="")) == "G10"


def test_no_control_connection() -> None:
    expected = expectation(master(), HONEST)
    elsewhere = replace(expected, master=expected.master._replace(sport=40001))
    assert rule_of(elsewhere, master()) == "G10"
    assert rule_of(replace(expected, zone=7), master()) == "G10"


def test_a_class_that_the_helper_has_not() -> None:
    entry = master()
    assert rule_of(expectation(entry, HONEST, klass=3), entry) == "G9"


def test_a_policy_of_children_needs_an_expected_control_connection() -> None:
    entry = master()
    assert rule_of(expectation(entry, HONEST, klass=2), entry) == "G4"
    child = master(status=IPS_EXPECTED)
    assert rule_of(expectation(child, HONEST, klass=2), child) == ""


def test_what_a_tcp_client_announces_needs_the_helper_s_declaration() -> None:
    entry = master(helper="fw-ftp")
    event = Expect(Endpoint(S, 21), Endpoint(C, 6000))
    assert rule_of(expectation(entry, event, klass=0), entry, helper=FTP) == "G2"
    active = replace(FTP, client_announces=True)
    assert rule_of(expectation(entry, event, klass=0), entry, helper=active) == ""


def test_quotas_count_on_the_client_whatever_the_record_says() -> None:
    entry = master()
    limits = Limits(max_per_source=3)
    records = [
        replace(
            record(expectation(entry, Expect(Endpoint(S, 5060), Endpoint(C, 6000 + n)))),
            account=Account(f"h{n}", bytes((10, 9, 9, n)), bytes((10, 8, 8, n))),
        )
        for n in range(6)
    ]
    findings = judge_all(records, entry, limits=limits)
    assert [f.refusal.rule if f.refusal else "" for f in findings] == [""] * 3 + ["G9"] * 3


def test_a_control_connection_has_no_more_than_the_class_allows() -> None:
    """For one more the kernel would drop one that is announced."""
    entry = master()
    events = [Expect(Endpoint(S, 5060), Endpoint(C, 6000 + n)) for n in range(3)]
    records = [record(expectation(entry, event, klass=0)) for event in events]
    findings = judge_all(records, entry)
    assert [f.refusal.rule if f.refusal else "" for f in findings] == ["", "", "G9"]


def test_the_kernel_s_own_come_first() -> None:
    """A flood of records takes nothing from what is there."""
    entry = master()
    committed = expectation(entry, HONEST, klass=0)
    flood = [
        record(expectation(entry, Expect(Endpoint(S, 5060), Endpoint(C, 6001 + n))))
        for n in range(40)
    ]
    findings = judge_all(flood, entry, committed=[committed])
    assert findings[0].refusal is None
    assert sum(f.refusal is None for f in findings) == 9  # one of class 0, eight of class 1


_HOSTS = st.sampled_from([C, S, OUTER, INNER, MEDIA, GATEWAY, BROADCAST, bytes(4), b"\x7f\0\0\1"])
_PORTS = st.sampled_from([0, 22, 5060, 6000, 6002, 40000, 65535])
_TUPLES = st.builds(Tuple, _HOSTS, _HOSTS, st.sampled_from([6, 17, 50, 47]), _PORTS, _PORTS)
_MASKS = st.builds(
    Tuple, st.sampled_from([b"\xff" * 4, bytes(4), b"\xff\xff\0\0"]), st.just(b"\xff" * 4),
    st.sampled_from([6, 17]), st.sampled_from([0, 0xFFFF, 0xFE00]), st.just(0xFFFF),
)  # fmt: skip


@given(
    st.sampled_from(sorted(PEERS)),
    _TUPLES,
    _MASKS,
    st.none() | _TUPLES,
    st.integers(0, 3),
    st.integers(0, 1),
    st.sampled_from(["", "sip", "nat-follow-master", "q931"]),
    st.sampled_from([Limits(), ANNOUNCED, Limits(address="any-src")]),
)
def test_whatever_a_hostile_gateway_sends(
    nat: str, value: Tuple, mask: Tuple, to: Tuple | None, klass: int, direction: int, fn: str,
    limits: Limits,
) -> None:  # fmt: skip
    """What is created is what the engine creates for an announcement that the guard accepts."""
    entry = master(nat)
    hostile = Expectation(entry.orig, value, mask, klass, 1, 60, "fw-sip", to, direction, fn)
    (finding,) = judge_all([record(hostile)], entry, limits=limits)
    created = finding.replacement
    if created is None:
        return
    real = Endpoint(created.nat.src, created.nat.sport) if created.nat else Endpoint(
        created.tuple.dst, created.tuple.dport
    )  # fmt: skip
    sources = "" if any(created.mask.src) else "any"
    sport = created.tuple.sport if created.mask.sport else None
    event = Expect(
        Endpoint(created.tuple.src), real, l4="udp" if created.tuple.l4 == 17 else "tcp",
        sport=sport, sport_mask=created.mask.sport or 0xFFFF, sources=sources,
    )  # fmt: skip
    flow = Flow("udp", Endpoint(C, 40000), Endpoint(S, 5060))
    policy = SIP.policies[created.klass]
    assert judge(event, flow, real.addr == S, policy, limits) is None
    assert real.addr not in (GATEWAY, BROADCAST)
    assert real.addr in (C, S) or limits.allows(real.addr)
    assert created.nat is None or nat != "none"
    assert created.fn in (("",) if created.nat is None else ("sip", "nat-follow-master"))
    assert created.timeout <= policy.timeout
