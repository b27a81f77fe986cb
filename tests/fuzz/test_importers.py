"""The work of the importers grows linearly with the number of rules, whatever these have in common."""

from __future__ import annotations

import pytest
from growth import check_linear

from fwhelpers.migrate import conntrackd, firewall
from fwhelpers.migrate.convert import convert
from fwhelpers.migrate.render import toml
from fwhelpers.plugin.manager import load

HELPERS = load().helpers
TYPE = "Type ftp {} tcp {{ QueueNum {} Policy ftp {{ ExpectMax {} ExpectTimeout 300 }} }}\n"
TYPES = TYPE.format("inet", 0, 1) + TYPE.format("inet6", 0, 1)
#: one rule for so many of the size's units
UNITS = 20

IPTABLES = {
    "ports": "-p tcp --dport {port}",
    "sources": "-s {one} -p tcp --dport 21",
    "destinations": "-d {one} -p tcp --dport 21",
    "interfaces": "-i eth{number} -p tcp --dport 21",
    "pairs": "-s {one} -d {other} -p tcp --dport 21",
    "stairs": "-s {half} -d {next_half} -p tcp --dport 21",
    "all": "-i eth{number} -s {one} -d {other} -p tcp --dport {port}",
    "unfit": "-s {one} -p tcp --dport $PORT",
}
NFTABLES = """table inet raw {{
    ct helper ftp {{ type "ftp" protocol tcp
    }}
    chain prerouting {{ type filter hook prerouting priority raw;
{}
    }}
}}
"""


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def fill(template: str, number: int) -> str:
    return template.format(
        number=number, port=number % 60000 + 1, one=address(number), other=address(number + 7),
        half=address(number // 2), next_half=address((number + 1) // 2),
    )  # fmt: skip


def migrate(types: str, rules: str) -> None:
    document = conntrackd.parse("conntrackd.conf", f"Helper {{\n{types}}}\n")
    result = convert(document, firewall.read([("rules", rules)]), HELPERS)
    toml(result)
    [str(note) for note in result.notes]


@pytest.mark.parametrize("kind", IPTABLES)
def test_iptables_rules(kind: str) -> None:
    rule = f"-A PREROUTING {IPTABLES[kind]} -j CT --helper ftp\n"
    check_linear(lambda size: migrate(TYPES, "".join(fill(rule, n) for n in range(size // UNITS))))


@pytest.mark.parametrize("rule", ["tcp dport {port}", "ip saddr {one} tcp dport 21"])
def test_nftables_rules(rule: str) -> None:
    line = f'{rule} ct helper set "ftp"\n'
    check_linear(
        lambda size: migrate(
            TYPES, NFTABLES.format("".join(fill(line, n) for n in range(size // UNITS)))
        )
    )


def test_nftables_sets() -> None:
    def work(size: int) -> None:
        elements = ", ".join(address(number) for number in range(size // UNITS))
        rule = f'ip saddr {{ {elements} }} tcp dport 21 ct helper set "ftp"'
        migrate(TYPES, NFTABLES.format(rule))

    check_linear(work)


def test_types() -> None:
    check_linear(
        lambda size: migrate(
            "".join(TYPE.format("inet", number, number) for number in range(size // UNITS)), ""
        )
    )
