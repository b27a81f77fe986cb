"""EtherNet/IP with cm-ethernetip's device and controller through the gateway: inputs and outputs over UDP."""

from __future__ import annotations

import sys

import pytest
from lab import PROGRAMS
from lab.process import Process
from lab.topology import SERVER, Lab

ENIP = "[daemon]\nworkers = 1\n[helpers.enip-io]\n"
PEER = (sys.executable, str(PROGRAMS / "enip_peer.py"))


def start_device(lab: Lab) -> Process:
    device = lab.popen("s", *PEER, "device", SERVER[4], name="device")
    device.wait_line("^listening$")
    return device


def control(lab: Lab, seconds: int) -> Process:
    """Open a connection to the device, and wait so long for its inputs."""
    controller = lab.popen("c", *PEER, "control", lab.target(), str(seconds), name="controller")
    controller.wait_line("^opened$")
    return controller


@pytest.mark.nat("snat")
def test_inputs_and_outputs_cross_the_gateway(lab: Lab) -> None:
    lab.open("tcp", 44818)
    device = start_device(lab)
    control(lab, 3).wait_line("^no inputs$")
    assert "outputs arrive" not in device.lines
    device.stop()  # it would go on sending inputs
    dropped = lab.dropped()
    assert dropped, "without the helper"

    daemon = lab.start_fwhelpers(ENIP)
    device = start_device(lab)
    controller = control(lab, 60)
    controller.wait_line("^inputs: 42$")
    device.wait_line("^outputs arrive$")
    controller.wait_line("^closed$")
    assert lab.dropped() == dropped
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]
