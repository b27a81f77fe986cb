"""A helper's declaration: what the kernel, nftables or firewalld could not take is told at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from fwhelpers.api import (
    DatagramParser,
    Event,
    Helper,
    LineParser,
    Parser,
    Policy,
    Setting,
    StreamParser,
)
from fwhelpers.plugin.validation import validate


class Datagrams(DatagramParser):
    def datagram(self, data: bytes, reply: bool) -> list[Event]:
        return []


class Lines(LineParser):
    def line(self, line: bytes, reply: bool) -> list[Event]:
        return []


class OnlySizes(StreamParser):
    def message_size(self, data: bytearray, reply: bool) -> int:
        return len(data)


def at_most_3(value: int) -> int:
    if value > 3:
        raise ValueError("at most 3")
    return value


def helper(**changes: Any) -> Helper:
    fields: dict[str, Any] = {"name": "foo", "l4": "udp", "ports": [7], "parser": Datagrams}
    return Helper(**{**fields, **changes})


def test_a_valid_helper_has_no_fault() -> None:
    both = {"tcp": Lines, "udp": Datagrams}
    assert list(validate(helper(l4=("tcp", "udp"), parser=both, name="Q.931-x"))) == []
    policies = [Policy(n, 255, 3600, 0, frozenset([2049])) for n in "abcd"]
    assert list(validate(helper(policies=policies, ports=[], families=[6]))) == []


FAULTS = [
    ({"name": "a_b"}, "name must be"),
    ({"name": "abcdefghijklm"}, "name must be"),
    ({"name": "9a"}, "name must be"),
    ({"name": ""}, "name must be"),
    ({"name": "a\n"}, "name must be"),
    ({"name": None}, "name must be"),
    ({"l4": "sctp"}, 'l4 must be "tcp", "udp" or both'),
    ({"l4": []}, "l4 must be"),
    ({"l4": ["tcp", "tcp"]}, "l4 must be"),
    ({"l4": None}, "wrong type"),
    ({"doc": None}, "doc must be str, not None"),
    ({"spec": b"RFC 1"}, "spec must be str"),
    ({"extra": []}, "extra must be Mapping"),
    ({"outgoing": "yes"}, "outgoing must be bool"),
    ({"listen_for": "NOTIFY"}, "listen_for must be bytes, not 'NOTIFY'"),
    ({"ports": [0]}, "invalid port: 0"),
    ({"ports": [65536]}, "invalid port: 65536"),
    ({"ports": [True]}, "ports must be a list of int, not of True"),
    ({"ports": ["21"]}, "ports must be a list of int, not of '21'"),
    ({"ports": [7, 7]}, "duplicate port"),
    ({"ports": 7}, "ports must be a list, not 7"),
    ({"families": []}, "families must be"),
    ({"families": [5]}, "families must be"),
    ({"parser": Datagrams(None, {})}, "parser must be a class"),  # type: ignore[arg-type]
    ({"parser": Lines}, "the parser for udp must be a DatagramParser: Lines is a StreamParser"),
    ({"l4": "tcp"}, "the parser for tcp must be a StreamParser or LineParser: Datagrams is a"),
    ({"parser": DatagramParser}, "the parser DatagramParser does not define datagram"),
    ({"parser": Parser}, "the parser Parser does not define feed"),
    ({"l4": "tcp", "parser": LineParser}, "the parser LineParser does not define line"),
    ({"l4": "tcp", "parser": OnlySizes}, "the parser OnlySizes does not define message"),
    ({"children": "tcp"}, "children must be a list, not 'tcp'"),
    ({"udp_children": 5}, "udp_children must be two bytes"),
    ({"kernel": [1]}, "kernel must be a list of KernelHelper, not of 1"),
    ({"outgoing": True, "groups": ["239.1.1.x"]}, "groups: not an address or prefix: '239.1.1.x'"),
    ({"parser": str}, "is not a subclass of Parser"),
    ({"parser": None}, "parser is None, and no helper of the kernel is named"),
    ({"parser": {"tcp": Lines}}, "parser must have the keys udp"),
    ({"children": ["sctp"]}, "children must be"),
    ({"udp_children": (9, 8)}, "udp_children must be two bytes"),
    ({"udp_children": (0, 256)}, "udp_children must be two bytes"),
    ({"children": ["tcp"], "parser": {"udp": Datagrams}}, "parser must have the keys tcp, udp"),
    ({"listen_for": b"x"}, "groups, broadcast, unicast and listen_for require outgoing"),
    ({"unicast": True}, "groups, broadcast, unicast and listen_for require outgoing"),
    (
        {"outgoing": True, "groups": ["239.1.1.1"], "families": [4], "listen_for": bytes(17)},
        "listen_for requires groups, and is limited to 16 bytes",
    ),
    ({"policies": []}, "0 policies: the kernel allows 1 to 4"),
    ({"policies": [Policy(n) for n in "abcde"]}, "5 policies"),
    ({"policies": [Policy("a"), Policy("a")]}, "two policies have the same name"),
    ({"policies": [Policy("a", max=0)]}, "policy a: max must be 1 to 255, not 0"),
    ({"policies": [Policy("a", max=256)]}, "policy a: max must be 1 to 255, not 256"),
    ({"policies": [Policy("a", timeout=0)]}, "policy a: timeout must be 1 to 86400, not 0"),
    ({"policies": [Policy("a", timeout=86401)]}, "policy a: timeout must be 1 to 86400"),
    ({"policies": [Policy("a", l4="gre")]}, "policy a: l4 must be a protocol without ports"),
    ({"policies": [Policy("a", min_port=-1)]}, "policy a: min_port must be 0 to 65535"),
    ({"policies": [Policy("a", ports=frozenset([0]))]}, "policy a: ports: invalid port: 0"),
    ({"policies": [Policy("")]}, "has no name"),
    ({"policies": ["data"]}, "policies must be a list of Policy, not of 'data'"),
    ({"policies": [Policy("a" * 16)]}, "name must be at most 15 bytes"),
    ({"policies": [Policy("a", third_party=1)]}, "third_party must be bool"),  # type: ignore[arg-type]
    ({"settings": [Setting("a", None, "")]}, "default must be a value of TOML, not None"),
    ({"settings": [Setting("a", {1}, "")]}, "default must be a value of TOML, not {1}"),
    ({"settings": [Setting("a", 4, "", at_most_3)]}, "check refuses the default 4: ValueError: at"),
    ({"settings": [Setting("a", 1, None)]}, "setting a: doc must be str"),  # type: ignore[arg-type]
    ({"settings": [Setting("A-b", 1, "")]}, "setting A-b: name must be"),
    ({"settings": [Setting("ports", 1, "")]}, "every helper's table already has this key"),
    ({"settings": [Setting("guard", 1, "")]}, "every helper's table already has this key"),
    ({"settings": [Setting("a", 1, ""), Setting("a", 1, "")]}, "two settings"),
    ({"settings": [Setting("a", 1, "", 5)]}, "check is not callable"),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), FAULTS)
def test_a_fault_is_reported(changes: dict[str, Any], expected: str) -> None:
    faults = list(validate(helper(**changes)))
    assert any(expected in fault for fault in faults), faults
    assert all(fault.startswith("helper ") for fault in faults)


@pytest.mark.parametrize("item", [None, "ftp", Helper, object(), {}])
def test_other_objects_are_not_helpers(item: object) -> None:
    (fault,) = validate(item)
    assert "instead of a Helper" in fault


@pytest.mark.parametrize("field", [f.name for f in fields(Helper) if f.name != "name"])
@pytest.mark.parametrize("value", [None, 3, object(), [None], "x", {}])
def test_validation_survives_any_type(field: str, value: object) -> None:
    check: Callable[[object], Any] = validate
    list(check(helper(**{field: value})))
