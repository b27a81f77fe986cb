"""Common mistakes are diagnosed, correct settings are not."""

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


def diagnosed(
    snapshot: Snapshot, backend: str = "nftables", services: tuple[str, ...] = ("fw-rpc",)
) -> list[str]:
    diagnostics = of_firewalld(
        snapshot, derive_assignments(snapshot, HELPERS), backend, services, HELPERS
    )
    return [diagnostic.where for diagnostic in diagnostics]


def with_zone(**settings: Any) -> Snapshot:
    return replace(GOOD, zones={"z": Zone("z", **settings)})


def test_mistakes_of_firewalld() -> None:
    assert diagnosed(GOOD) == []
    assert diagnosed(GOOD, backend="iptables") == ["backend"]
    assert diagnosed(GOOD, services=()) == ["services"]
    assert diagnosed(replace(GOOD, state="FAILED", panic=True, denied="no")) == [
        "state", "panic mode", "rights",
    ]  # fmt: skip
    assert diagnosed(replace(with_zone(sources=("ipset:none",)), ipsets={"none": ()})) == []
    assert diagnosed(replace(with_zone(sources=("ipset:odd",)), ipsets={"odd": ("1,2",)})) == ["z"]


def test_nfs_without_helper() -> None:
    assert diagnosed(with_zone(services=("nfs3",))) == ["z"]
    assert diagnosed(with_zone(services=("nfs3", "fw-nfs3"))) == []
    assert diagnosed(with_zone(services=("nfs3", "mountd"))) == []  # its ports are fixed
    assert diagnosed(with_zone(services=("fw-nfs3",))) == []
    assert diagnosed(replace(GOOD, policies={"p": Policy("p", (), (), ("nfs3",))})) == ["p"]


def rules(text: str) -> list[dict[str, Any]]:
    """A ruleset as `nft -j list ruleset` prints it, in a namespace of its own."""
    if not shutil.which("nft", path="/usr/sbin"):
        pytest.skip("no nft")
    text = text.replace("{", "{\n").replace("}", "\n}\n")
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
    (diagnostic,) = of_rulesets(ruleset("raw", -300))
    assert diagnostic.problem == "assigns helper ftp at priority -300, before ours"
    assert list(of_rulesets(ruleset("raw", -5))) == []
    assert list(of_rulesets(ruleset("fwhelpers", -300))) == []
