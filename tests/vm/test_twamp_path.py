"""TWAMP through the gateway, with peers after RFC 5357: none of Debian's packages has it."""

from __future__ import annotations

import sys

import pytest
from lab import PROGRAMS
from lab.process import Process, wait_until
from lab.topology import SERVER, Lab

TWAMP = "[daemon]\nworkers = 1\n[helpers.twamp]\n"
PEER = (sys.executable, str(PROGRAMS / "twamp_peer.py"))


def start(lab: Lab) -> tuple[Process, Process]:
    """Start the server; let the controller begin. It ends when all packets were reflected."""
    lab.open("tcp", 862)
    server = lab.popen("s", *PEER, "serve", SERVER[4], name="server")
    server.wait_line("^listening$")
    return lab.popen("c", *PEER, "control", lab.target(), name="controller"), server


@pytest.mark.nat("both")
def test_packets_are_reflected(lab: Lab) -> None:
    daemon = lab.start_fwhelpers(TWAMP)
    controller, server = start(lab)
    controller.wait_line("^measured$")
    server.wait_line("^reflected")
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def test_without_the_helper_packets_are_dropped(lab: Lab) -> None:
    controller, _ = start(lab)
    controller.wait_line("^accepted: 0$")
    wait_until(lambda: lab.dropped() > 0, "the first packet is dropped")
    assert "measured" not in controller.lines
