"""SANE with the real saned and scanimage through the gateway."""

from __future__ import annotations

import pytest
from lab.compare import Watch, expectations
from lab.scanner import scan, start_saned
from lab.topology import Lab

SANE = "[helpers.sane]\n"


def test_without_the_helper_the_firewall_drops_it(lab: Lab) -> None:
    start_saned(lab)
    assert scan(lab, timeout=20).stdout != "P5\n"
    assert lab.dropped()


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "dnat", "both")],
)
def test_pictures_come_through(lab: Lab, kind: str) -> None:
    start_saned(lab)
    daemon = lab.start_fwhelpers(SANE)
    for family in (4, 6):
        done = scan(lab, family)
        assert done.stdout == "P5\n", done.stderr
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def test_one_connection_for_each_picture(lab: Lab) -> None:
    start_saned(lab)
    lab.start_fwhelpers(SANE)
    watch = Watch(lab)
    # three pictures by one control connection, a START each
    assert scan(lab, 4, "--batch=/run/lab/%d.pnm", "--batch-count=3").returncode == 0
    assert [str(expectation) for expectation in expectations(watch.take())] == [
        "tcp client:any → server:announced, 30 s, one, class 0"
    ] * 3
    assert lab.dropped() == 0
