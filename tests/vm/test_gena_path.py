"""UPnP devices at fixed ports behind the gateway (`gena`), with each kind of NAT: events reach who subscribed."""

from __future__ import annotations

from signal import SIGUSR1

import pytest
from lab.process import wait_until
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
    daemon = lab.start_fwhelpers("[helpers.gena]\n")
    gate = make(lab, "/run/lab/gate")
    control = start(lab, "subscribe", lab.target(), DEVICE, "/e", CLIENT[4], CALLBACK, gate)
    control.wait_line("^event .* NOTIFY")
    control.wait_line("^subscribed$")
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
    daemon = lab.start_fwhelpers("[helpers.gena]\n")
    callback = f"CALLBACK: <http://{CLIENT[4]}:{CALLBACK}/>"
    request = (*CURL, "-H", callback, "-H", field, f"http://{address}:{DEVICE}/e")
    assert "<root/>" in lab.run("c", *request, timeout=120).stdout
    daemon.wait_line(rf"refused.*\({rule}\)")
    device.wait_line("^unsent ")
    assert lab.run("g", "conntrack", "-L", "expect").stdout == ""


# a device that answers and leaves the connection open, and a control point that ends it at a signal
OPEN_DEVICE = """
import socket
server = socket.create_server(("", {port}))
print("listening", flush=True)
while True:
    conn, peer = server.accept()
    while conn.recv(65536):
        conn.sendall(b"HTTP/1.1 200 OK\\r\\nSID: uuid:1\\r\\nTIMEOUT: Second-300\\r\\nContent-Length: 0\\r\\n\\r\\n")
    conn.close()
"""
OPEN_CONTROL = """
import signal, socket
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
sock = socket.create_connection(("{host}", {port}))
fields = "HOST: {host}:{port}", "CALLBACK: <http://{own}:{callback}/>", "NT: upnp:event"
sock.sendall("\\r\\n".join(["SUBSCRIBE /e HTTP/1.1", *fields, "", ""]).encode())
print(sock.recv(65536).decode().split("\\r")[0], flush=True)
signal.sigwait([signal.SIGUSR1])
"""


def _entry(lab: Lab) -> tuple[str, int]:
    """Return state and remaining seconds of the control connection's conntrack entry."""
    listed = lab.run("g", "conntrack", "-L", "-p", "tcp", "--orig-port-dst", DEVICE).stdout
    (line,) = listed.splitlines()
    return line.split()[3], int(line.split()[2])


def test_a_connection_that_stays_open_keeps_its_lifetime(lab: Lab) -> None:
    """Its entry has a lifetime of days until it ends, and then that of the expectation."""
    lab.open("tcp", int(DEVICE))
    names = {"host": SERVER[4], "port": DEVICE, "own": CLIENT[4], "callback": CALLBACK}
    device = lab.popen("s", "python3", "-c", OPEN_DEVICE.format(**names), name="device")
    device.wait_line("^listening$")
    lab.start_fwhelpers("[helpers.gena]\n")
    control = lab.popen("c", "python3", "-c", OPEN_CONTROL.format(**names), name="control")
    control.wait_line("200 OK")
    state, seconds = _entry(lab)
    assert state == "ESTABLISHED"
    assert seconds > 86400
    control.signal(SIGUSR1)
    wait_until(lambda: _entry(lab)[0] != "ESTABLISHED", "the connection ends")
    state, seconds = _entry(lab)
    assert 300 < seconds <= 601
    assert CALLBACK in lab.run("g", "conntrack", "-L", "expect").stdout
