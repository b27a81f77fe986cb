"""Expectations as conntrackd leaves them on the other gateway: without translation, of class 0."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import DatagramParser, Endpoint, Expect, Helper, LineParser, Policy
from fwhelpers.engine.active import Active
from fwhelpers.engine.expectation_key import Connection, leads_to
from fwhelpers.engine.guard import WELL_KNOWN, Limits
from fwhelpers.engine.nat import plan
from fwhelpers.engine.registry import Registry
from fwhelpers.engine.takeover import Finding, examine
from fwhelpers.kernel.conntrack import Conntrack, Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for

C, S = bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2))
OUTER, INNER = bytes((10, 0, 2, 1)), bytes((10, 0, 1, 1))
POLICIES = [Policy("passive", timeout=60), Policy("active", timeout=3600)]
FTP = Helper("ftp", "tcp", [21], LineParser, policies=POLICIES)
TFTP = Helper("tftp", "udp", [69], DatagramParser, policies=[Policy("data", timeout=30)])
PEERS = {"none": (S, C), "snat": (S, OUTER), "dnat": (INNER, C), "both": (INNER, OUTER)}


def master(nat: str = "none", l4: int = 6, port: int = 40000, helper: str = "fw-ftp") -> Conntrack:
    """A control connection; `nat` as in tests/lab."""
    seen_server, seen_client = PEERS[nat]
    dport = 21 if l4 == 6 else 69
    orig = Tuple(C, seen_server, l4, 40000, dport)
    return Conntrack(orig, Tuple(S, seen_client, l4, dport, port), helper=helper)


def announced(
    entry: Conntrack, to_client: bool, port: int, visible: int = 0, **fields: Any
) -> Expectation:
    """What the engine of the other gateway has created."""
    ends = Endpoint(S, entry.reply.sport), Endpoint(C, entry.orig.sport)
    opener, announcer = ends if to_client else ends[::-1]
    l4 = "tcp" if entry.orig.l4 == 6 else "udp"
    planned = plan(Expect(opener, announcer.at(port)), l4, entry.orig, entry.reply)
    planned = planned.at(visible) if visible else planned
    fn = "nat-follow-master" if planned.nat else ""
    whole = Expectation(
        entry.orig, planned.tuple, mask_for(planned.tuple), nat=planned.nat, nat_dir=planned.nat_dir, fn=fn
    )  # fmt: skip
    return replace(whole, **fields)


def committed(expectation: Expectation) -> Expectation:
    """The same as conntrackd 1.4.7 commits it."""
    return replace(expectation, nat=None, nat_dir=0, fn="", klass=0, timeout=300, helper="fw-ftp")


def judge(
    expectation: Expectation, entry: Conntrack | None = None, active: Active | None = None
) -> Finding:
    masters = {Connection(0, entry.orig): entry} if entry else {}
    helper = active or Active(FTP)
    (result,) = examine(
        [expectation], masters, {helper.helper.kernel_name: helper}, Registry(), 0.0
    )
    return result


@pytest.mark.parametrize("to_client", [False, True])
def test_without_translation_it_stays(to_client: bool) -> None:
    entry = master()
    finding = judge(committed(announced(entry, to_client, 5000)), entry)
    assert (finding.replacement, finding.refusal) == (None, None)


@pytest.mark.parametrize("to_client", [False, True])
@pytest.mark.parametrize("nat", ["snat", "dnat", "both"])
def test_the_translation_comes_back(nat: str, to_client: bool) -> None:
    entry = master(nat)
    whole = announced(entry, to_client, 5000)
    repaired = judge(committed(whole), entry).replacement
    assert repaired is not None
    assert repaired.nat is not None
    assert (leads_to(repaired), repaired.fn) == (leads_to(whole), whole.fn)
    assert (repaired.klass, repaired.timeout) == (0, 60)


def test_a_port_that_was_taken_leads_to_the_announced_one() -> None:
    entry = master("snat")
    whole = announced(entry, True, 5000, visible=5001)
    repaired = judge(committed(whole), entry).replacement
    assert repaired is not None
    assert repaired.nat is not None
    assert (repaired.tuple.dport, repaired.nat.sport) == (5001, 5000)


def test_the_asking_socket_may_have_any_port() -> None:
    """TFTP behind NAT: the answer comes to the translated source port."""
    entry = master("snat", 17, port=1024, helper="fw-tftp")
    whole = announced(entry, True, 40000)
    repaired = judge(committed(whole), entry, Active(TFTP)).replacement
    assert repaired is not None
    assert repaired.nat is not None
    assert (repaired.tuple.dport, repaired.nat.sport) == (1024, 40000)


def test_an_expectation_of_our_own_stays() -> None:
    """The command may run again, and on a gateway that has opened something since."""
    entry = master("snat")
    own = announced(entry, True, 5000, klass=1, timeout=3000)
    assert judge(own, entry) == Finding(own)


def test_the_class_of_a_translated_one_of_our_own_stays() -> None:
    """Class 0 is the long one here. conntrackd carries no function, so it was announced here."""
    entry = master("snat")
    helper = Helper("ftp", "tcp", [21], LineParser, policies=POLICIES[::-1])
    own = announced(entry, True, 5000, timeout=3000)
    assert judge(own, entry, Active(helper)) == Finding(own)


@pytest.mark.parametrize("nat", ["none", "snat"])
def test_what_waits_for_its_translation_comes_first(nat: str) -> None:
    entry = master(nat)
    finding = judge(committed(announced(entry, True, 5000)), entry)
    assert finding.is_untranslated == (nat == "snat")


@pytest.mark.parametrize("nat", ["none", "snat"])
def test_a_translation_without_function_is_none(nat: str) -> None:
    """The kernel's function is all that reads it."""
    entry = master(nat)
    remains = Tuple(bytes((10, 0, 1, 9)), bytes(4), 6, 7000, 0)
    whole = announced(entry, True, 5000)
    finding = judge(replace(committed(whole), nat=remains, nat_dir=1), entry)
    assert finding.refusal is None
    assert leads_to(finding.replacement or committed(whole)) == leads_to(whole)


def test_an_expected_control_connection_is_accepted_and_not_inspected() -> None:
    """Which of a helper's expectations were its children is not carried."""
    entry = master("snat")
    child = announced(entry, True, 5000, helper="fw-ftp")
    repaired = judge(committed(child), entry).replacement
    assert repaired is not None
    assert repaired.helper == ""


def test_permanent_stays() -> None:
    entry = master("snat")
    repaired = judge(committed(announced(entry, True, 5000, flags=PERMANENT)), entry).replacement
    assert repaired is not None
    assert repaired.flags == PERMANENT


def test_it_needs_its_control_connection() -> None:
    assert refused(judge(committed(announced(master(), True, 5000)))) == "G10"


def test_its_helper_must_be_enabled() -> None:
    entry = master(helper="fw-sip")
    assert refused(judge(committed(announced(entry, True, 5000)), entry)) == "G10"


@pytest.mark.parametrize("nat", ["none", "snat"])
@pytest.mark.parametrize("port", [22, 3306])
def test_the_guard_decides(port: int, nat: str) -> None:
    entry = master(nat)
    assert refused(judge(committed(announced(entry, False, port)), entry)) == "G6"


def test_the_port_behind_the_translation_is_judged() -> None:
    entry = master("snat")
    assert refused(judge(committed(announced(entry, True, 22, visible=5022)), entry)) == "G6"


def test_a_loosened_rule_counts() -> None:
    entry = master()
    active = Active(FTP, limits=Limits(allow_ports=frozenset({3306})))
    assert judge(committed(announced(entry, False, 3306)), entry, active).refusal is None


def test_a_third_host_is_refused() -> None:
    entry = master()
    whole = announced(entry, True, 5000)
    other = replace(whole, tuple=whole.tuple._replace(dst=bytes((10, 0, 1, 9))))
    assert refused(judge(committed(other), entry)) == "G8"


def test_a_range_of_sources_is_refused() -> None:
    entry = master()
    whole = announced(entry, True, 5000)
    wide = replace(whole, mask=mask_for(whole.tuple, prefix=24))
    assert refused(judge(committed(wide), entry)) == "G8"


def test_a_foreign_translation_is_refused() -> None:
    entry = master("snat")
    whole = announced(entry, True, 5000)
    assert whole.nat is not None
    elsewhere = replace(whole, nat=whole.nat._replace(src=bytes((10, 0, 1, 9))))
    assert refused(judge(elsewhere, entry)) == "G15"


def test_the_bounds_apply() -> None:
    entry = master()
    several = [committed(announced(entry, True, 5000 + n)) for n in range(3)]
    active = Active(FTP, limits=Limits(max_per_source=2))
    masters = {Connection(0, entry.orig): entry}
    findings = examine(several, masters, {"fw-ftp": active}, Registry(), 0.0)
    assert [f.refusal and f.refusal.rule for f in findings] == [None, None, "G9"]


def refused(finding: Finding) -> str:
    assert finding.replacement is None
    return finding.refusal.rule if finding.refusal else ""


PORTS = st.integers(10000, 65535).filter(lambda port: port not in WELL_KNOWN)


@given(st.sampled_from(sorted(PEERS)), st.booleans(), PORTS, PORTS, st.sampled_from([0, 1]))
def test_what_the_engine_opens_comes_back_alike(
    nat: str, to_client: bool, port: int, visible: int, flags: int
) -> None:
    entry = master(nat, port=40000 if nat == "none" else 50000)
    whole = announced(entry, to_client, port, visible if nat != "none" else 0, flags=flags)
    finding = judge(committed(whole), entry)
    assert finding.refusal is None
    assert leads_to(finding.replacement or finding.expectation) == leads_to(whole)
    assert (finding.replacement is None) == (nat == "none")


ADDRESSES = st.sampled_from([C, S, OUTER, INNER, bytes((10, 0, 9, 9)), bytes(4)])
TUPLES = st.builds(Tuple, ADDRESSES, ADDRESSES, st.sampled_from([6, 17, 47]),
                   st.integers(0, 65535), st.integers(0, 65535))  # fmt: skip


@given(
    st.sampled_from(sorted(PEERS)),
    TUPLES,
    st.sampled_from([0, 0xFE00, 0xFFFF]),
    st.one_of(st.none(), st.integers(0, 32)),
    st.sampled_from([0, 1, 2, 3]),
)
def test_nothing_is_widened(
    nat: str, expected: Tuple, sport_mask: int, prefix: int | None, klass: int
) -> None:
    """Whatever a peer sends: what remains leads from one end of the master to a port that its helper may open."""
    entry = master(nat)
    mask = mask_for(expected, sport_mask, prefix)
    sent = Expectation(entry.orig, expected, mask, klass, helper="fw-ftp")
    finding = judge(sent, entry)
    if finding.refusal is not None:
        return
    result = finding.replacement or sent
    assert (result.tuple, result.mask, result.master) == (expected, mask, entry.orig)
    assert mask.src == b"\xff" * 4
    real = result.nat or Tuple(result.tuple.dst, b"", 6, result.tuple.dport, 0)
    opener = entry.orig.src if result.tuple.src == entry.orig.src else entry.reply.src
    assert {opener, real.src} == {C, S}
    assert real.sport >= 1024
    assert nat == "none" or result.nat is not None
