"""Helpers that need no plugin to be installed, and the way from texts to a configuration."""

from __future__ import annotations

from fwhelpers.api import DatagramParser, Helper, Policy
from fwhelpers.migrate import conntrackd, convert, firewall
from fwhelpers.migrate.convert import Result

HELPERS = {
    helper.name: helper
    for helper in (
        Helper("ftp", "tcp", [21], DatagramParser),
        Helper("rpc", ("udp", "tcp"), [111], DatagramParser, [Policy("service", max=8)]),
        Helper(
            "ssdp", "udp", [1900], DatagramParser, outgoing=True, groups=("239.255.255.250", "ff02::c"),
        ),
        Helper("dhcpv6", "udp", [547], DatagramParser, families=[6]),
    )
}  # fmt: skip


def convert_text(types: str, rules: str = "") -> Result:
    """Of the inside of a section Helper (a line each, from line 2 on), and of rules."""
    document = conntrackd.parse("c", f"Helper {{\n{types}\n}}\n")
    parsed = firewall.read([("r", rules)] if rules else [])
    return convert.convert(document, parsed, HELPERS)


def notes(result: Result) -> list[str]:
    """As people see them."""
    return [str(note) for note in result.notes]
