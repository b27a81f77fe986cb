"""XDMCP with xdm and Xvfb through the gateway: the manager's connections to the display."""

from __future__ import annotations

import pytest
from lab.process import Process, wait_until
from lab.topology import Lab

DISPLAY = 2
PORT = 6000 + DISPLAY
XDMCP = "[daemon]\nworkers = 1\n[helpers.xdmcp-x11]\n"
NONE = "[daemon]\nworkers = 1\n"

_CONFIG = """
DisplayManager.requestPort: 177
DisplayManager.servers: /run/lab/Xservers
DisplayManager.accessFile: /run/lab/Xaccess
DisplayManager.authDir: /run/lab
DisplayManager.pidFile: /run/lab/xdm.pid
DisplayManager.lockPidFile: false
DisplayManager.errorLogFile: /run/lab/xdm.log
DisplayManager*grabServer: false
"""


def start_manager(lab: Lab) -> Process:
    lab.open("udp", 177)
    space = lab.namespaces["s"]
    space.path("/run/lab/xdm-config").write_text(_CONFIG)
    space.path("/run/lab/Xservers").write_text("")
    space.path("/run/lab/Xaccess").write_text("*\n")
    manager = lab.popen("s", "xdm", "-nodaemon", "-config", "/run/lab/xdm-config")
    space.wait_listening("udp", 177)
    return manager


def start_display(lab: Lab, family: int = 4) -> Process:
    size = ("-screen", "0", "320x200x24")
    return lab.popen("c", "Xvfb", f":{DISPLAY}", "-query", lab.target(family), *size, "-once")


def sessions(lab: Lab) -> list[str]:
    """Return the manager's established connections to the display."""
    shown = lab.run("s", "ss", "-tnH", "state", "established", "dport", "=", f":{PORT}").stdout
    return str(shown).splitlines()


CASES = [
    pytest.param("none", 4, marks=pytest.mark.nat("none")),
    pytest.param("none", 6, marks=pytest.mark.nat("none")),
    pytest.param("snat", 4, marks=pytest.mark.nat("snat")),
]


@pytest.mark.parametrize(("kind", "family"), CASES)
def test_the_manager_reaches_the_display(lab: Lab, kind: str, family: int) -> None:
    start_manager(lab)
    daemon = lab.start_fwhelpers(XDMCP)
    events = lab.watch_expectations()
    start_display(lab, family)
    events.wait_line(rf"\[NEW\] .* dport={PORT} .*helper=xdmcp-x11$")
    # several connections use the same expectation
    wait_until(lambda: bool(sessions(lab)), "the manager is connected", 120)
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def test_without_the_helper_the_firewall_drops_it(lab: Lab) -> None:
    start_manager(lab)
    lab.start_fwhelpers(NONE)
    start_display(lab)
    wait_until(lambda: lab.dropped() > 0, "the manager's connection is dropped", 120)
    assert not sessions(lab)
