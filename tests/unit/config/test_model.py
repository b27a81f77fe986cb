"""The derived values of the configuration."""

from __future__ import annotations

from ipaddress import ip_network

from fwhelpers.config import Config, HelperConfig, limits_by_family
from fwhelpers.config.assignments import Assignment, ZoneAssignments


def test_inspected_ports_include_those_of_zones_and_of_existing_flows() -> None:
    assignment = Assignment("ftp", "input", ((2121, "tcp"),), source="lan")
    config = Config(
        helpers={"ftp": HelperConfig("ftp", (21,))},
        scope=ZoneAssignments(assignments=(assignment,)),
        retained={"ftp": HelperConfig("ftp", (2020,)), "tftp": HelperConfig("tftp", (69,))},
    )
    ports = {name: helper.ports for name, helper in config.inspected.items()}
    assert ports == {"ftp": (21, 2020, 2121), "tftp": (69,)}


def test_limits_by_family_omits_a_family_that_the_limits_exclude() -> None:
    v4, v6 = ip_network("10.0.0.0/8"), ip_network("fd00::/8")
    assert limits_by_family(HelperConfig("a", (1,))) == [(4, (), ()), (6, (), ())]
    assert limits_by_family(HelperConfig("a", (1,), sources=(v4,))) == [(4, (v4,), ())]
    assert limits_by_family(HelperConfig("a", (1,), sources=(v4,), destinations=(v6,))) == []
