"""MGCP: osmo-mgw, the media gateway of Osmocom."""

from __future__ import annotations

from lab.process import Process
from lab.topology import SERVER, Lab

PORT = 2427

_CONFIG = f"""
mgcp
 bind ip {SERVER[4]}
 bind port {PORT}
 rtp port-range 30000 30101
 number endpoints 4
"""


def start_gateway(lab: Lab) -> Process:
    """Start osmo-mgw on s."""
    file = "/run/lab/osmo-mgw.cfg"
    lab.namespaces["s"].path(file).write_text(_CONFIG)
    gateway = lab.popen("s", "osmo-mgw", "-c", file)
    lab.namespaces["s"].wait_listening("udp", PORT, 4)
    lab.open("udp", PORT)
    return gateway
