"""Rules that end the way through a chain keep the ones behind them from being widened."""

from __future__ import annotations

import pytest

from fwhelpers.migrate import iptables, nft_rules
from fwhelpers.migrate.iptables import Unsupported
from fwhelpers.migrate.limits import Assignment

HELPER = "-A PREROUTING -i lan -s 10.0.0.0/8 -p tcp --dport 21 -j CT --helper ftp"
CHAINS = "*raw\n:PREROUTING ACCEPT [0:0]\n"
ENDING = [
    "-A PREROUTING -s 10.66.0.0/16 -j RETURN",
    "-A PREROUTING -j ACCEPT",
    "-A PREROUTING ! -i wan -j RETURN",
    "-A PREROUTING -p tcp -m mark --mark 7 -j ACCEPT",
    "-A PREROUTING -p tcp -m multiport --dports 20,21 -j CT --notrack",
    "-A PREROUTING -i lan -j NOTRACK",
    "-A PREROUTING -d 192.0.2.0/24 -g other",
    "-A other -p tcp -j inner\n-A inner -j ACCEPT\n-A PREROUTING -j other",
    "-A PREROUTING -m conntrack --ctstate NEW -j ACCEPT",
]
HARMLESS = [
    "-A PREROUTING -i wan -j RETURN",
    "-A PREROUTING -s 192.168.0.0/16 -j RETURN",
    "-A PREROUTING -p udp -j ACCEPT",
    "-A PREROUTING -p icmp -j ACCEPT",
    "-A PREROUTING -p tcp --dport 80 -j CT --notrack",
    "-A PREROUTING -i lo -j ACCEPT",
    "-A PREROUTING -j DROP",
    "-A PREROUTING -j LOG",
    "-A PREROUTING -p tcp --dport 21 -j CT --helper other",
    "-A OUTPUT -j ACCEPT",
    "-A other -j RETURN\n-A PREROUTING -j other",
    "-A PREROUTING -m state --state RELATED,ESTABLISHED -j ACCEPT",
    "COMMIT\n*nat\n-A PREROUTING -j ACCEPT\nCOMMIT\n*raw",
    "iptables -t nat -A PREROUTING -j ACCEPT",
    "ip6tables -t raw -A PREROUTING -j ACCEPT",
]


def saved(*lines: str) -> list[object]:
    named = [
        finding
        for finding in iptables.read("rules", CHAINS + "\n".join(lines))
        if isinstance(finding, (Assignment, Unsupported)) and finding.helper == "ftp"
    ]
    return list(named)


@pytest.mark.parametrize("line", ENDING)
def test_a_rule_behind_the_end_of_a_chain(line: str) -> None:
    (rule,) = saved(line, HELPER)
    assert isinstance(rule, Unsupported)
    assert rule.why.startswith(f"line {3 + line.count(chr(10))} ends the chain before it")
    (rule,) = saved(HELPER, line)
    assert isinstance(rule, Assignment)
    (rule,) = saved(HELPER, line.replace("-A PREROUTING", "-I PREROUTING"))
    assert isinstance(rule, Unsupported)


@pytest.mark.parametrize("line", HARMLESS)
def test_a_rule_for_other_connections(line: str) -> None:
    (rule,) = saved(line, HELPER)
    assert isinstance(rule, Assignment)


def test_the_order_of_inserted_rules() -> None:
    exit_ = "-A PREROUTING -j ACCEPT"
    for number, kind in ((" 1", Assignment), (" 2", Unsupported), ("", Assignment)):
        (rule,) = saved(exit_, HELPER.replace("-A PREROUTING", f"-I PREROUTING{number}"))
        assert isinstance(rule, kind)


def listed(line: str) -> object:
    (rule,) = nft_rules.read(
        "rules",
        'table inet raw {\nct helper h {\ntype "ftp" protocol tcp\n}\n'
        f"chain c {{ type filter hook prerouting priority -150; policy accept;\n{line}\n"
        'iifname "lan" ip saddr 10.0.0.0/8 tcp dport 21 ct helper set "h"\nip saddr 10.0.0.1 accept\n}\n'
        "chain d { type filter hook prerouting priority -160;\naccept\n}\n}\n",
    )
    return rule


@pytest.mark.parametrize(
    "line",
    [
        'iifname "lan" ip saddr 10.66.0.0/16 return', "accept", "meta mark 7 accept", "goto d",
        "tcp dport 21 notrack", "iifname vmap @zones", 'iifname vmap { "lan" : accept }', "queue num 5",
        "ct state new,established accept", "ct state vmap @states", "ip saddr != 10.0.0.1 return",
    ],
)  # fmt: skip
def test_a_rule_of_nft_behind_the_end_of_a_chain(line: str) -> None:
    rule = listed(line)
    assert isinstance(rule, Unsupported)
    assert rule.why.startswith("line 6 ends the chain before it")


@pytest.mark.parametrize(
    "line",
    [
        'iifname "wan" return', 'iif "lo" accept', "udp dport 53 notrack", "drop", "jump d",
        "ct state established,related accept", "meta l4proto icmp accept", "ip6 saddr fd00::/8 return",
        "ct state vmap { established : accept, related : accept, invalid : drop }", "tcp dport 22 accept",
    ],
)  # fmt: skip
def test_a_rule_of_nft_for_other_connections(line: str) -> None:
    assert isinstance(listed(line), Assignment)
