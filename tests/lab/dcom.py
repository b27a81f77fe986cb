"""An object resolver of the lab's own, and impacket's client."""

from __future__ import annotations

from lab import PROGRAMS
from lab.process import Process
from lab.topology import SERVER, Lab

PORT = "49724"
_PYTHON = "/usr/bin/python3"  # Debian's, for impacket
_PEER = str(PROGRAMS / "dcom_peer.py")


def start_resolver(lab: Lab) -> None:
    """Start the resolver on port 135 of s for both families, with its object exporter, and open the port."""
    lab.open("tcp", 135)
    for family in (4, 6):
        lab.popen("s", _PYTHON, _PEER, "server", SERVER[family], PORT, name=f"resolver{family}")
        lab.namespaces["s"].wait_listening("tcp", 135, family)


def resolve(lab: Lab, host: str, timeout: int = 60) -> Process:
    """Ask for an object exporter and connect to it."""
    return lab.popen("c", _PYTHON, _PEER, "client", host, str(timeout), name="dcom")
