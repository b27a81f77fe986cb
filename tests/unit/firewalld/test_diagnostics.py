"""Common mistakes are diagnosed, correct settings are not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fwhelpers.api import Helper, Parser
from fwhelpers.firewalld.assignments import derive_assignments
from fwhelpers.firewalld.diagnostics import of_firewalld
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
