"""Mistakes in the rules of other tables are diagnosed, and correct rules are not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import pytest

from fwhelpers.api import Helper, KernelHelper, Parser
from fwhelpers.config import HelperConfig
from fwhelpers.firewalld.rulesets import ForeignAssignment, of_helpers, of_rulesets

FTP = Helper("ftp", "tcp", [21], Parser, kernel=[KernelHelper("ftp", "tcp", "nf_conntrack_ftp")])
ENABLED = [(HelperConfig("ftp", (21, 2121)), FTP)]


def rules(text: str) -> list[dict[str, Any]]:
    """A ruleset as `nft -j list ruleset` prints it, in a namespace of its own."""
    if not shutil.which("nft", path="/usr/sbin"):
        pytest.skip("no nft")
    # a rule may go on behind a set's brace, nothing behind those of chains
    text = re.sub(r"\}(?=\s*(?:[};]|chain|$))", "\n}\n", text.replace("{", "{\n"))
    script = "nft -f - && nft -j list ruleset"
    done = subprocess.run(
        ["unshare", "--net", "--map-root-user", "sh", "-c", f"PATH=$PATH:/usr/sbin; {script}"],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr:
        pytest.skip(f"namespaces are not available: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    listed: list[dict[str, Any]] = json.loads(done.stdout)["nftables"]
    return listed


DROP = "type filter hook forward priority 0; policy drop;"
PASS = DROP.replace("drop", "accept")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", []),
        (f"table inet x {{ chain f {{ {DROP} ct state established accept; }} }}", ["inet x f"]),
        (f"table inet x {{ chain f {{ {DROP} ct state established,related accept; }} }}", []),
        (f"table inet x {{ chain f {{ {DROP} ct state vmap {{ related : accept }}; }} }}", []),
        (
            f"table inet x {{ chain s {{ ct state related accept; }}; chain f {{ {DROP} jump s; }} }}",
            [],
        ),
        (
            f"table inet x {{ map m {{ type ct_state : verdict; elements = {{ related : accept }} }}\n"
            f" chain f {{ {DROP} ct state vmap @m; }} }}",
            [],
        ),
        (f"table inet x {{ chain f {{ {DROP} ct state != {{ new, invalid }} accept; }} }}", []),
        (f"table inet x {{ chain f {{ {DROP} ct status expected accept; }} }}", []),
        (
            f'table inet x {{ chain f {{ {DROP} ct state related ct helper "fw-ftp" accept; }} }}',
            [],
        ),
        (
            f'table inet x {{ chain f {{ {DROP} ct state related ct helper != "sip" accept; }} }}',
            [],
        ),
        # what accepts errors, or the kernel's helpers, or nothing
        (
            f"table inet x {{ chain f {{ {DROP} ct state related ip protocol icmp accept; }} }}",
            ["inet x f"],
        ),
        (
            f"table inet x {{ chain f {{ {DROP} ct state related icmpv6 type 1 accept; }} }}",
            ["inet x f"],
        ),
        (
            f'table inet x {{ chain f {{ {DROP} ct state related ct helper "ftp" accept; }} }}',
            ["inet x f"],
        ),
        (f"table inet x {{ chain f {{ {DROP} ct state invalid,related drop; }} }}", ["inet x f"]),
        (
            f"table inet x {{ chain f {{ {DROP} ct state != {{ new, related }} accept; }} }}",
            ["inet x f"],
        ),
        # a last rule that drops is like a policy
        (
            f"table inet x {{ chain f {{ {PASS} ct state established accept; counter drop; }} }}",
            ["inet x f"],
        ),
        (
            f"table inet x {{ chain f {{ {PASS} ct state established,related accept; reject; }} }}",
            [],
        ),
        (f"table inet x {{ chain f {{ {PASS} tcp dport 25 drop; }} }}", []),
        # ct does not exist for arp, and connections of a bridge have their filter elsewhere
        ("table arp x { chain f { type filter hook input priority 0; policy drop; } }", []),
        ("table bridge x { chain f { type filter hook forward priority 0; policy drop; } }", []),
        ("table inet x { chain f { type filter hook output priority 0; policy drop; } }", []),
        ("table inet x { chain f { type filter hook forward priority 0; policy accept; } }", []),
    ],
)
def test_rules_that_accept_nothing_related(text: str, where: list[str]) -> None:
    assert [diagnostic.where for diagnostic in of_rulesets(rules(text))] == where


def ruleset(table: str, priority: int) -> list[dict[str, Any]]:
    """Output of `nft -j` with a ct helper object, which not every kernel supports."""
    place = {"family": "inet", "table": table}
    base = {"type": "filter", "hook": "prerouting", "prio": priority, "policy": "accept"}
    return [
        {"ct helper": {**place, "name": "ftp-standard", "type": "ftp", "protocol": "tcp"}},
        {"chain": {**place, "name": "pre", **base}},
        {"rule": {**place, "chain": "pre", "expr": [{"ct helper": "ftp-standard"}, {"accept": None}]}},
    ]  # fmt: skip


def test_rules_of_iptables_are_not_diagnosed() -> None:
    place = {"family": "ip", "table": "filter"}
    base = {"type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}
    chain = {"chain": {**place, "name": "FORWARD", **base}}
    rule = {"rule": {**place, "chain": "FORWARD", "expr": [{"xt": None}, {"accept": None}]}}
    assert list(of_rulesets([chain, rule])) == []
    assert len(list(of_rulesets([chain]))) == 1


def test_a_helper_assigned_before_ours() -> None:
    (diagnostic,) = of_rulesets(ruleset("raw", -160))
    assert diagnostic.problem == "assigns helper ftp at priority -160, before ours"
    assert list(of_rulesets(ruleset("raw", -5))) == []
    assert list(of_rulesets(ruleset("fwhelpers", -160))) == []


def test_a_helper_assigned_at_our_priority() -> None:
    """The order of the two chains changes with each reload of one of them."""
    (diagnostic,) = of_rulesets(ruleset("raw", -150))
    assert "the one loaded last is first" in diagnostic.problem
    assert list(of_rulesets(ruleset("raw", -149))) == []


def test_our_helper_assigned_by_others_is_no_mistake() -> None:
    objects = ruleset("raw", -160)
    objects[0]["ct helper"]["type"] = "fw-ftp"
    assert list(of_rulesets(objects, ENABLED)) == []
    assert len(list(of_rulesets(objects))) == 1


def test_before_conntrack_a_rule_assigns_nothing() -> None:
    """Seen with Linux 6.18: the connection has no helper (nft_ct_helper_obj_eval)."""
    (diagnostic,) = of_rulesets(ruleset("raw", -300))
    assert diagnostic.problem.endswith("at priority -300, before conntrack and without effect")
    assert list(of_helpers(ruleset("raw", -300))) == []
    assert len(list(of_helpers(ruleset("raw", -199)))) == 1


HOOK = "type filter hook prerouting priority -160;"
OBJECT = 'ct helper f { type "ftp" protocol tcp; }'


@pytest.mark.parametrize(
    "chains",
    [
        f'chain c {{ {HOOK} ct helper set tcp dport map {{ 21 : "f", 2121 : "f" }}; }}',
        # as OpenWrt's fw4 writes them
        f'chain c {{ tcp dport 21 ct helper set "f"; }}; chain p {{ {HOOK} iifname "lan" jump c; }}',
        'chain c { ct helper set "f"; }; chain b { goto c; };'
        f"chain p {{ {HOOK} meta l4proto vmap {{ tcp : jump b }}; }}",
        'chain c { ct helper set "f"; }; map m { type ifname : verdict; elements = { "lan" : goto c } }\n'
        f"chain p {{ {HOOK} iifname vmap @m; }}",
        # of several ways the earliest counts that has an effect
        f'chain c {{ ct helper set "f"; }}; chain p {{ {HOOK} jump c; }};'
        "chain q { type filter hook output priority -300; jump c; };"
        "chain r { type filter hook forward priority 0; jump c; }",
    ],
)
def test_forms_of_assignments(chains: str) -> None:
    assert list(of_helpers(rules(f"table inet x {{ {OBJECT}\n {chains} }}"))) == [
        ForeignAssignment("ftp", "inet x c", -160)
    ]


@pytest.mark.parametrize(
    ("rule", "ports"),
    [
        ("tcp dport 21", "21"),
        ("tcp sport 21", "21"),
        ("tcp dport { 20-22, 2121 }", "21, 2121"),
        ("tcp dport 2000-3000", "2121"),
        ("tcp dport @p", "21"),
        ("ip daddr 192.0.2.1 th dport 21", "21"),
        ("tcp dport != 22", ""),
        ("udp dport 21", ""),
        ("tcp dport 80", ""),
        ("iifname eth0", ""),
    ],
)
def test_ports_without_conntrack(rule: str, ports: str) -> None:
    chain = f"chain c {{ type filter hook prerouting priority -300; {rule} notrack; }}"
    text = f"table inet x {{ set p {{ type inet_service; elements = {{ 21 }} }}\n {chain} }}"
    problems = [diagnostic.problem for diagnostic in of_rulesets(rules(text), ENABLED)]
    assert problems == (
        [f"notrack for port {ports}: helper ftp sees no connection there"] if ports else []
    )
