"""The usual mistakes; and that what is right is none."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from fwhelpers.api import Helper, Parser
from fwhelpers.firewalld.assignments import derive_assignments
from fwhelpers.firewalld.diagnostics import of_firewalld, of_rulesets
from fwhelpers.firewalld.model import Policy, Service, Snapshot, Zone

HELPERS = {"rpc": Helper("rpc", "tcp", [111], Parser)}
GOOD = Snapshot(
    "public",
    {"public": Zone("public", services=("ssh",))},
    services={
        "ssh": Service("ssh"),
        "nfs3": Service("nfs3"),
        "fw-nfs3": Service("fw-nfs3", includes=("fw-rpc", "nfs3")),
        "fw-rpc": Service("fw-rpc", helpers=("fw-rpc",)),
    },
)


def wrong(
    snapshot: Snapshot, backend: str = "nftables", services: tuple[str, ...] = ("fw-rpc",)
) -> list[str]:
    found = of_firewalld(
        snapshot, derive_assignments(snapshot, HELPERS), backend, services, HELPERS
    )
    return [mistake.where for mistake in found]


def with_zone(**what: Any) -> Snapshot:
    return replace(GOOD, zones={"z": Zone("z", **what)})


def test_firewalld() -> None:
    assert wrong(GOOD) == []
    assert wrong(GOOD, backend="iptables") == ["backend"]
    assert wrong(GOOD, services=()) == ["services"]
    assert wrong(replace(GOOD, state="FAILED", panic=True, denied="no")) == [
        "state", "panic mode", "rights",
    ]  # fmt: skip
    assert wrong(replace(with_zone(sources=("ipset:none",)), ipsets={"none": ()})) == []
    assert wrong(replace(with_zone(sources=("ipset:odd",)), ipsets={"odd": ("1,2",)})) == ["z"]


def test_nfs_without_helper() -> None:
    assert wrong(with_zone(services=("nfs3",))) == ["z"]
    assert wrong(with_zone(services=("nfs3", "fw-nfs3"))) == []
    assert wrong(with_zone(services=("nfs3", "mountd"))) == []  # its ports are fixed
    assert wrong(with_zone(services=("fw-nfs3",))) == []
    assert wrong(replace(GOOD, policies={"p": Policy("p", (), (), ("nfs3",))})) == ["p"]


def rules(text: str) -> list[dict[str, Any]]:
    """What nft makes of a ruleset, in a namespace of its own."""
    if not shutil.which("nft", path="/usr/sbin"):
        pytest.skip("no nft")
    text = text.replace("{", "{\n").replace("}", "\n}\n")
    script = "nft -f - && nft -j list ruleset"
    done = subprocess.run(
        ["unshare", "--net", "--map-root-user", "sh", "-c", f"PATH=$PATH:/usr/sbin; {script}"],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "unshare" in done.stderr:
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    listed: list[dict[str, Any]] = json.loads(done.stdout)["nftables"]
    return listed


DROP = "type filter hook forward priority 0; policy drop;"


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
        ("table inet x { chain f { type filter hook output priority 0; policy drop; } }", []),
        ("table inet x { chain f { type filter hook forward priority 0; policy accept; } }", []),
    ],
)
def test_rules_that_accept_nothing_related(text: str, where: list[str]) -> None:
    assert [mistake.where for mistake in of_rulesets(rules(text))] == where


def ruleset(table: str, priority: int) -> list[dict[str, Any]]:
    """As `nft -j` tells it; not every kernel has the object."""
    place = {"family": "inet", "table": table}
    base = {"type": "filter", "hook": "prerouting", "prio": priority, "policy": "accept"}
    return [
        {"ct helper": {**place, "name": "ftp-standard", "type": "ftp", "protocol": "tcp"}},
        {"chain": {**place, "name": "pre", **base}},
        {"rule": {**place, "chain": "pre", "expr": [{"ct helper": "ftp-standard"}, {"accept": None}]}},
    ]  # fmt: skip


def test_what_iptables_wrote_is_not_judged() -> None:
    place = {"family": "ip", "table": "filter"}
    base = {"type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}
    chain = {"chain": {**place, "name": "FORWARD", **base}}
    rule = {"rule": {**place, "chain": "FORWARD", "expr": [{"xt": None}, {"accept": None}]}}
    assert list(of_rulesets([chain, rule])) == []
    assert len(list(of_rulesets([chain]))) == 1


def test_a_helper_that_is_assigned_before_ours() -> None:
    (mistake,) = of_rulesets(ruleset("raw", -300))
    assert mistake.what == "assigns helper ftp at priority -300, before ours"
    assert list(of_rulesets(ruleset("raw", -5))) == []
    assert list(of_rulesets(ruleset("fwhelpers", -300))) == []
