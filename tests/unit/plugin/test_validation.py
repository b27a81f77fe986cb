"""A helper's declaration: what the kernel, nftables or firewalld could not take is told at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fwhelpers.api import DatagramParser, Helper, Policy, Setting
from fwhelpers.plugin.validation import validate


def made(**changes: Any) -> Helper:
    given: dict[str, Any] = {"name": "foo", "l4": "udp", "ports": [7], "parser": DatagramParser}
    return Helper(**{**given, **changes})


def test_a_good_one_has_no_fault() -> None:
    both = {"tcp": DatagramParser, "udp": DatagramParser}
    assert list(validate(made(l4=("tcp", "udp"), parser=both, name="Q.931-x"))) == []
    policies = [Policy(n, 255, 3600, 0, frozenset([2049])) for n in "abcd"]
    assert list(validate(made(policies=policies, ports=[], families=[6]))) == []


WRONG = [
    ({"name": "a_b"}, "the name must be"),
    ({"name": "abcdefghijklm"}, "the name must be"),
    ({"name": "9a"}, "the name must be"),
    ({"name": ""}, "the name must be"),
    ({"name": "a\n"}, "the name must be"),
    ({"name": None}, "the name must be"),
    ({"l4": "sctp"}, 'l4 must be "tcp", "udp" or both'),
    ({"l4": []}, "l4 must be"),
    ({"l4": ["tcp", "tcp"]}, "l4 must be"),
    ({"l4": None}, "wrong type"),
    ({"ports": [0]}, "no such port: 0"),
    ({"ports": [65536, True, "21"]}, "no such port: 65536, True, '21'"),
    ({"ports": [7, 7]}, "a port is there twice"),
    ({"ports": 7}, "ports: wrong type"),
    ({"families": []}, "families must be"),
    ({"families": [5]}, "families must be"),
    ({"parser": str}, "is no subclass of Parser"),
    ({"parser": None}, "is no subclass of Parser"),
    ({"parser": {"tcp": DatagramParser}}, "parser must be given for udp"),
    ({"children": ["sctp"]}, "children must be of"),
    ({"children": ["tcp"], "parser": {"udp": DatagramParser}}, "parser must be given for tcp, udp"),
    ({"listen_for": b"x"}, "groups, broadcast and listen_for are for helpers that are outgoing"),
    (
        {"outgoing": True, "groups": ["239.1.1.1"], "families": [4], "listen_for": bytes(17)},
        "listen_for needs groups, and is at most 16 bytes",
    ),
    ({"policies": []}, "0 policies: the kernel has room for 1 to 4"),
    ({"policies": [Policy(n) for n in "abcde"]}, "5 policies"),
    ({"policies": [Policy("a"), Policy("a")]}, "two policies have the same name"),
    ({"policies": [Policy("a", max=0)]}, "policy a: max must be 1 to 255, not 0"),
    ({"policies": [Policy("a", max=256)]}, "policy a: max must be 1 to 255, not 256"),
    ({"policies": [Policy("a", timeout=0)]}, "policy a: timeout must be 1 to 86400, not 0"),
    ({"policies": [Policy("a", timeout=86401)]}, "policy a: timeout must be 1 to 86400"),
    ({"policies": [Policy("a", min_port=-1)]}, "policy a: min_port must be 0 to 65535"),
    ({"policies": [Policy("a", ports=frozenset([0]))]}, "policy a: ports: no such port: 0"),
    ({"policies": [Policy("")]}, "has no name"),
    ({"policies": ["data"]}, "wrong type"),
    ({"settings": [Setting("A-b", 1, "")]}, "setting A-b: the name must be"),
    ({"settings": [Setting("ports", 1, "")]}, "every helper has a key of that name"),
    ({"settings": [Setting("guard", 1, "")]}, "every helper has a key of that name"),
    ({"settings": [Setting("a", 1, ""), Setting("a", 1, "")]}, "two settings"),
    ({"settings": [Setting("a", 1, "", 5)]}, "its check is no function"),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), WRONG)
def test_a_fault_is_told(changes: dict[str, Any], expected: str) -> None:
    found = list(validate(made(**changes)))
    assert any(expected in fault for fault in found), found
    assert all(fault.startswith("helper ") for fault in found)


@pytest.mark.parametrize("item", [None, "ftp", Helper, object(), {}])
def test_anything_else_is_no_helper(item: object) -> None:
    (fault,) = validate(item)
    assert "where a Helper belongs" in fault


@pytest.mark.parametrize("field", ["ports", "families", "policies", "settings", "parser", "l4"])
@pytest.mark.parametrize("value", [None, 3, object(), [None], "x", {}])
def test_no_type_makes_the_check_itself_fail(field: str, value: object) -> None:
    check: Callable[[object], Any] = validate
    list(check(made(**{field: value})))
