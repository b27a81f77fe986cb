"""The kernel's own helpers in our table. The exact text is in tests/golden/kernel*.nft."""

from __future__ import annotations

import re

import pytest

from fwhelpers import config, ruleset
from fwhelpers.api import Helper
from fwhelpers.config.assignments import Assignment, ZoneAssignments, ZoneMember
from fwhelpers.firewalld.merge import merge_zone_helpers
from fwhelpers.plugin import manager as plugins
from fwhelpers.ruleset import backend

HELPERS = {name: helper for name, helper in plugins.load().helpers.items() if helper.kernel}


def rules(text: str, scope: ZoneAssignments | None = None) -> str:
    loaded = config.resolve(config.parse([("f", text)]), HELPERS)
    if scope is not None:
        loaded = merge_zone_helpers(loaded, HELPERS, scope)
    return ruleset.build(loaded, {n: HELPERS[n] for n in loaded.helpers}, range(1000, 1002))


@pytest.mark.parametrize("helper", HELPERS.values(), ids=list(HELPERS))
def test_nothing_is_queued_or_labelled(helper: Helper) -> None:
    text = rules(f'[helpers."{helper.name}"]\nbackend = "kernel"')
    assert not re.search(r"queue|label|hook (postrouting|input)", text)
    assigned = set(re.findall(r'ct helper set "([^"]+)"', text))
    assert assigned == {f"{helper.name}-{kernel.l4}" for kernel in helper.kernel}
    objects = re.findall(r'ct helper (\S+) \{\s+type "([^"]+)" protocol (\w+)', text)
    assert objects == [(f"{helper.name}-{k.l4}", k.name, k.l4) for k in helper.kernel]


@pytest.mark.parametrize("helper", HELPERS.values(), ids=list(HELPERS))
def test_limits_are_those_of_our_helper(helper: Helper) -> None:
    """The same connections are matched, whoever acts for them."""
    if helper.parser is None:
        pytest.skip("the kernel's alone")
    limits = 'ports = [1111]\nfamilies = [4]\nsources = ["10.0.1.0/24"]\n'

    def matches(name: str) -> set[str]:
        text = rules(f'[helpers."{helper.name}"]\n{limits}backend = "{name}"')
        return set(re.findall(r"(\S.*) counter (?:ct label set \S+ )?ct helper set \"\S+\"", text))

    ours, kernels = matches("user"), matches("kernel")
    assert kernels
    assert kernels <= ours
    missing = {
        m for m in ours - kernels if "fib daddr type unicast" not in m and 'ct helper "' not in m
    }
    assert not {m for m in missing if any(f"{k.l4} dport" in m for k in helper.kernel)}


def test_zones_assign_the_kernels_helper() -> None:
    scope = ZoneAssignments(
        (ZoneMember("home", interface="lan"),),
        (Assignment("ftp", "input", ((2121, "tcp"),), source="home"),),
    )
    text = rules('[helpers.ftp]\nbackend = "kernel"\nsources = ["10.9.0.0/16"]', scope)
    (zone,) = re.findall(r"chain in.home \{(.*?)\n\t\}", text, re.DOTALL)
    assert "tcp dport 2121" in zone
    assert 'ct helper set "ftp-tcp"' in zone
    assert "queue" not in text
    assert text.count('type "ftp" protocol tcp') == 1


def test_a_family_without_helper_is_not_asked_for() -> None:
    """For it the kernel would start modprobe with each new ruleset."""
    assert "l3proto ip\n" in backend.kernel_table(HELPERS["irc"])
    assert "l3proto" not in backend.kernel_table(HELPERS["ftp"])


def test_ours_stays_pinned() -> None:
    """firewalld's rules may name it."""
    assert 'type "fw-ftp" protocol tcp' in ruleset.pin_table(HELPERS.values())
