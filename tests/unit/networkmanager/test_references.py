"""References to interfaces by NetworkManager's profiles and types."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers import config, ruleset
from fwhelpers.api import Helper, Parser
from fwhelpers.config import Config
from fwhelpers.networkmanager.references import (
    Device,
    interfaces,
    merge_starting,
    references,
    resolve,
)

FTP = {"ftp": Helper("ftp", "tcp", [21], Parser), "x": Helper("x", "tcp", [21], Parser)}
DEVICES = (
    Device("eth0", "ethernet", frozenset({"Office", "1234-uuid"})),
    Device("wlp1s0", "wifi", frozenset({"Home"})),
    Device("wlp2s0", "wifi"),
    Device("wg0", "wireguard", frozenset({"Company"})),
    Device("bad name", "wifi"),
)


def resolve_config(text: str) -> Config:
    return config.resolve(config.parse([("f", text)]), FTP)


def test_a_reference_stands_for_the_matching_interfaces() -> None:
    assert interfaces("profile:Office", DEVICES) == ["eth0"]
    assert interfaces("profile:1234-uuid", DEVICES) == ["eth0"]
    assert interfaces("type:wifi", DEVICES) == ["wlp1s0", "wlp2s0"]
    assert interfaces("type:vpn", DEVICES) == ["wg0"]
    assert interfaces("profile:Elsewhere", DEVICES) == []


def test_interfaces_and_references_together() -> None:
    resolved = resolve_config(
        '[helpers.ftp]\ninterfaces = ["eth7", "type:wifi", "profile:Company"]'
    )
    assert references(resolved) == {"type:wifi", "profile:Company"}
    helper = resolve(resolved, DEVICES).helpers["ftp"]
    assert helper.interfaces == ("eth7", "wg0", "wlp1s0", "wlp2s0")
    assert helper.general


def test_a_helper_whose_references_match_none_acts_nowhere() -> None:
    resolved = resolve(resolve_config('[helpers.ftp]\ninterfaces = ["profile:Elsewhere"]'), DEVICES)
    text = ruleset.build(resolved, {"ftp": FTP["ftp"]}, range(1000, 1002))
    assert "ct helper set" not in text
    assert "ct original proto-dst 21" in text  # flows in progress are still inspected


@given(st.lists(st.sampled_from(["eth7", "type:wifi", "type:vlan", "profile:Office"]), unique=True, min_size=1),
       st.lists(st.sampled_from(DEVICES)))  # fmt: skip
def test_never_wider_than_the_named_interfaces(names: list[str], devices: list[Device]) -> None:
    listed = ", ".join(f'"{name}"' for name in names)
    helper = resolve(resolve_config(f"[helpers.ftp]\ninterfaces = [{listed}]"), devices).helpers[
        "ftp"
    ]
    assert helper.interfaces or not helper.general
    assert set(helper.interfaces) <= {"eth7", *(device.interface for device in devices)}


@pytest.mark.parametrize(
    ("value", "hint"), [("profle:X", "did you mean profile"), ("type:", "type:wifi")]
)
def test_wrong_references_are_errors(value: str, hint: str) -> None:
    with pytest.raises(config.ConfigError, match=hint):
        resolve_config(f'[helpers.ftp]\ninterfaces = ["{value}"]')


def test_references_do_not_separate_helpers_on_the_same_port() -> None:
    text = '[helpers.ftp]\ninterfaces = ["type:wifi"]\n[helpers.x]\ninterfaces = ["wlp1s0"]'
    with pytest.raises(config.ConfigError, match="is already used by ftp"):
        resolve_config(text)


def test_profiles_stay_active_while_networkmanager_starts() -> None:
    former = (
        Device("eth0", "ethernet", frozenset({"Office"})),
        Device("tun0", "tun", frozenset({"VPN"})),
    )
    now = (Device("eth0", "ethernet"), Device("eth1", "ethernet", frozenset({"Home"})))
    assert merge_starting((), now) == now
    assert set(merge_starting(former, now)) == {*former, now[1]}
    other = (Device("eth0", "ethernet", frozenset({"Home"})),)
    both = frozenset({"Home", "Office"})
    assert merge_starting(former[:1], other) == (Device("eth0", "ethernet", both),)
    modem = (Device("wwan0", "modem", frozenset({"Mobile"})), Device("wwan0", ""))
    assert merge_starting((), modem) == modem
