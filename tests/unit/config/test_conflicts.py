"""Helpers whose limits overlap on a port; the messages are tested in test_loader."""

from __future__ import annotations

import pytest

from fwhelpers import config
from fwhelpers.api import Helper, Parser
from fwhelpers.config.conflicts import conflicts

HELPERS = {
    "ftp": Helper("ftp", "tcp", [21], Parser),
    "rpc": Helper("rpc", ("udp", "tcp"), [111], Parser),
}


def enabled(ftp: str, rpc: str) -> dict[str, config.HelperConfig]:
    """Both helpers on port 21, each with its limits."""
    configs = {}
    for name, limits in (("ftp", ftp), ("rpc", rpc)):
        draft = config.parse([("f", f"[helpers.{name}]\nports = [21]\n{limits}")])
        configs[name] = config.resolve(draft, HELPERS).helpers[name]
    return configs


@pytest.mark.parametrize(
    ("limits", "disjoint"),
    [
        ('destinations = ["10.0.0.0/9"]|destinations = ["10.128.0.0/9"]', True),
        ('destinations = ["10.0.0.0/8"]|destinations = ["10.128.0.0/9"]', False),
        ('interfaces = ["a"]|interfaces = ["b"]', True),
        ('interfaces = ["a"]|interfaces = ["b", "a"]', False),
        ('interfaces = ["a"]|interfaces = ["type:wifi"]', False),
        ("families = [4]|families = [6]", True),
        ('sources = ["10.0.0.0/9"]|', False),
    ],
)
def test_helpers_may_share_a_port_if_their_limits_are_disjoint(limits: str, disjoint: bool) -> None:
    messages = dict(conflicts(enabled(*limits.split("|")), HELPERS))
    assert messages == ({} if disjoint else {"rpc": "tcp port 21 is already used by ftp"})
