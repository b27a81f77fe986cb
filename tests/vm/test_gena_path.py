"""UPnP devices at fixed ports behind the gateway (`gena`), with each kind of NAT: events reach who subscribed."""

from __future__ import annotations

import pytest
from lab.topology import CLIENT, OUTER, Lab
from test_upnp_path import CALLBACK, DEVICE, PEER, make, send_command, start


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "dnat", "both")],
)
def test_a_device_behind_the_gateway(lab: Lab, kind: str) -> None:
    lab.open("tcp", int(DEVICE))
    device = lab.popen("s", *PEER, "device", DEVICE, name="device")
    device.wait_line("^listening$")
    daemon = lab.start_fwhelpers("[helpers.gena]\n", timeout=90)
    gate = make(lab, "/run/lab/gate")
    control = start(lab, "subscribe", lab.target(), DEVICE, "/e", CLIENT[4], CALLBACK, gate)
    control.wait_line("^event .* NOTIFY", 60)
    control.wait_line("^subscribed$", 60)
    callback = device.wait_line(r"^callback (\S+) ").group(1)
    assert callback == (OUTER[4] if kind in ("snat", "both") else CLIENT[4])
    before = len(control.lines)
    send_command(lab, "event", ns="s")
    control.wait_line("^event .* NOTIFY", 60, after=before)
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]
