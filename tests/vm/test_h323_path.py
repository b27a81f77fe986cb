"""H.323 calls between a caller and a callee of our own, as Debian has none: media passes a firewall that drops."""

from __future__ import annotations

import sys

import pytest
from lab import PROGRAMS
from lab.process import Process, wait_until
from lab.topology import CLIENT, OUTER, SERVER, Lab

MESSAGES = f"PYTHONPATH={PROGRAMS.parents[1] / 'plugins'}:{PROGRAMS.parent}"
PEER = ("env", MESSAGES, sys.executable, str(PROGRAMS / "h323_peer.py"))
H323 = "[helpers.h323]\n"
NATS = [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "both")]


def start_callee(lab: Lab, mode: str, family: int = 4) -> Process:
    callee = lab.popen("s", *PEER, "callee", SERVER[family], mode, name=f"callee{family}")
    callee.wait_line("^listening$")
    return callee


def start_caller(lab: Lab, mode: str, family: int = 4) -> Process:
    return lab.popen("c", *PEER, "caller", lab.target(family), mode, name=f"caller{family}")


def assert_both_heard(*ends: Process) -> None:
    for end in ends:
        end.wait_line("^heard rtp from ")
        end.wait_line("^heard rtcp from ")
        end.wait_line("^media complete$")


def assert_nothing_is_open(lab: Lab) -> None:
    wait_until(lambda: lab.run("g", "conntrack", "-L", "expect").stdout == "", "no expectations")


@pytest.mark.parametrize("mode", ["fast", "tunnel", "h245"])
def test_without_the_helper_media_is_dropped(lab: Lab, mode: str) -> None:
    lab.open("tcp", 1720)
    start_callee(lab, mode)
    caller = start_caller(lab, mode)
    wait_until(lambda: lab.dropped() > 3, "dropped packets")
    assert not [line for line in caller.lines if line.startswith("heard")]


@pytest.mark.parametrize("mode", ["fast", "tunnel", "h245"])
@pytest.mark.parametrize("kind", NATS)
def test_a_call(lab: Lab, kind: str, mode: str) -> None:
    lab.open("tcp", 1720)
    daemon = lab.start_fwhelpers(H323)
    for family in (4, 6):
        callee = start_callee(lab, mode, family)
        caller = start_caller(lab, mode, family)
        assert_both_heard(caller, callee)
        called = callee.wait_line("^called (.*)").group(1)
        assert SERVER[family] in called  # as it knows itself
        caller.wait_line("^released$")
        assert_nothing_is_open(lab)
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


@pytest.mark.parametrize("kind", NATS)
def test_a_gatekeeper_calls_a_registered_endpoint(lab: Lab, kind: str) -> None:
    lab.open("udp", 1719)
    daemon = lab.start_fwhelpers(H323)
    gatekeeper = lab.popen("s", *PEER, "gatekeeper", SERVER[4], name="gatekeeper")
    gatekeeper.wait_line("^listening$")
    endpoint = lab.popen("c", *PEER, "endpoint", lab.target(), name="endpoint")
    endpoint.wait_line("^answer registrationConfirm$")
    registered = gatekeeper.wait_line("^registered (.*):").group(1)
    assert registered == (CLIENT[4] if kind == "none" else OUTER[4])
    assert_both_heard(gatekeeper, endpoint)
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]
