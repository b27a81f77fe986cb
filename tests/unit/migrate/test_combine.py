"""Rules as one table: exactly their connections, or not at all."""

from __future__ import annotations

import itertools
import time
from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.config.validators import Network
from fwhelpers.migrate.combine import Limits, combine
from fwhelpers.migrate.limits import ANY, OWN, Assignment
from fwhelpers.migrate.notes import Origin

NETS = {4: [ip_network("10.0.0.0/24"), ip_network("10.0.1.0/24")], 6: [ip_network("fd00::/64")]}


def rule(
    line: int = 1, families: tuple[int, ...] = (4,), ports: tuple[int, ...] = (21,),
    interfaces: tuple[str, ...] = (ANY,), sources: tuple[Network, ...] = (),
    destinations: tuple[Network, ...] = (),
) -> Assignment:  # fmt: skip
    return Assignment(
        "ftp", "tcp", Origin("f", line), frozenset(families), frozenset(ports),
        frozenset(interfaces), frozenset(sources), frozenset(destinations),
    )  # fmt: skip


@st.composite
def assignments(draw: st.DrawFn) -> Assignment:
    families = draw(st.sampled_from([(4,), (6,), (4, 6)]))
    nets = st.lists(st.sampled_from(NETS[families[0]]), max_size=2)
    limited = nets if len(families) == 1 else st.just([])
    return rule(
        draw(st.integers(1, 9)), families, draw(st.sampled_from([(21,), (22,), (21, 22)])),
        draw(st.sampled_from([(ANY,), (OWN,), ("a",), ("b",), ("a", "b")])),
        tuple(draw(limited)), tuple(draw(limited)),
    )  # fmt: skip


Connection = tuple[int, int, str, object, object]


def connections(
    ports: frozenset[int], interfaces: frozenset[str], family: int, *sides: frozenset[Network]
) -> set[Connection]:
    """A sample that tells any two limits apart: each network, and somebody who is in none."""
    where = ["a", "b", "c"] if ANY in interfaces else []
    come = {*where, *(interfaces - {ANY})}
    hosts = [side or {*NETS[family], None} for side in sides]
    return set(itertools.product([family], ports, come, *hosts))


def of_rules(rules: list[Assignment]) -> set[Connection]:
    return {
        connection for r in rules for f in r.families
        for connection in connections(r.ports, r.interfaces, f, r.sources, r.destinations)
    }  # fmt: skip


def of_limits(table: Limits) -> set[Connection]:
    return {
        connection for f, s, d in table.addresses for connection in connections(table.ports, table.interfaces, f, s, d)
    }  # fmt: skip


@given(st.lists(assignments(), min_size=1, max_size=6))
def test_together_the_tables_have_the_rules_connections(rules: list[Assignment]) -> None:
    tables = combine(rules)
    assert set().union(*map(of_limits, tables)) == of_rules(rules)
    assert rules[0].origin in tables[0].origins
    assert {o for table in tables for o in table.origins} == {r.origin for r in rules}


def test_rules_that_differ_in_one_thing() -> None:
    a, b = NETS[4]
    assert len(combine([rule(ports=(1,)), rule(ports=(2,))])) == 1
    assert len(combine([rule(sources=(a,)), rule(sources=(b,))])) == 1
    assert len(combine([rule(destinations=(a,)), rule()])) == 1
    (tables,) = combine([rule(interfaces=("x",)), rule(interfaces=(OWN,)), rule()])
    assert tables.interfaces == {ANY, OWN}


def test_both_families_keep_their_own_addresses() -> None:
    a, _ = NETS[4]
    (tables,) = combine([rule(sources=(a,)), rule(2, families=(6,))])
    assert tables.families == [4, 6]
    assert not tables.everybody(1)
    assert tables.everybody(2)


def test_rules_that_differ_in_two_things_stay_apart() -> None:
    first, second = combine([rule(1, ports=(1,), interfaces=("x",)), rule(2, ports=(2,))])
    assert (first.ports, second.ports) == ({1}, {2})


def test_many_rules_take_no_longer_than_they_are() -> None:
    def spent(count: int) -> float:
        each = [rule(n, ports=(1 + n % 997,), interfaces=(f"e{n}",)) for n in range(count)]
        start = time.process_time()
        combine(each)
        return time.process_time() - start

    assert spent(20_000) < 40 * spent(2_000) + 1  # squared it would be a hundred times
