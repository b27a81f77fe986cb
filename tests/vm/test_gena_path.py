"""UPnP devices at fixed ports behind the gateway (`gena`), with each kind of NAT: events reach who subscribed."""

from __future__ import annotations

import pytest
from lab.topology import CLIENT, OUTER, SERVER, Lab
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


CURL = ("curl", "-sS", "-m", "60", "-X", "SUBSCRIBE", "-H", "NT: upnp:event")
ELSEWHERE = "198.51.100.7"


@pytest.mark.parametrize(
    ("address", "field", "rule"),
    [(ELSEWHERE, "X-Other: 1", "G8"), (SERVER[4], "Origin: http://example.org", "G2")],
    ids=["public-server", "browser"],
)
def test_a_web_page_can_not_subscribe_for_its_visitor(
    lab: Lab, address: str, field: str, rule: str
) -> None:
    lab.run("s", "ip", "address", "add", f"{ELSEWHERE}/32", "dev", "lo")
    lab.run("g", "ip", "route", "add", ELSEWHERE, "via", SERVER[4])
    lab.open("tcp", int(DEVICE))
    device = lab.popen("s", *PEER, "device", DEVICE, name="device")
    device.wait_line("^listening$")
    daemon = lab.start_fwhelpers("[helpers.gena]\n", timeout=90)
    callback = f"CALLBACK: <http://{CLIENT[4]}:{CALLBACK}/>"
    request = (*CURL, "-H", callback, "-H", field, f"http://{address}:{DEVICE}/e")
    assert "<root/>" in lab.run("c", *request, timeout=120).stdout
    daemon.wait_line(rf"refused.*\({rule}\)", 60)
    device.wait_line("^unsent ")
    assert lab.run("g", "conntrack", "-L", "expect").stdout == ""
