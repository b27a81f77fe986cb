"""The lab's own systemd: it boots, and starts what a distribution's machine has."""

from __future__ import annotations

from lab.system import System
from lab.topology import Lab


def test_systemd_boots_with_bus_polkit_and_firewall(lab: Lab) -> None:
    system = System(lab)
    system.boot()
    system.start("polkit.service")
    system.start("firewalld.service")
    system.start("NetworkManager.service")
    assert system.run("firewall-cmd", "--state").stdout.strip() == "running"
    assert "inet firewalld" in lab.run("g", "nft", "list", "tables").stdout
    assert system.run("nmcli", "-t", "-f", "RUNNING", "general").stdout.strip() == "running"
    system.shut_down()
    system.boot()
    assert system.state("dbus.socket") == "active"


def test_our_packages_are_installed_in_it(system: System) -> None:
    system.boot()
    version = system.run("fwhelpers", "--version").stdout
    assert version.startswith("fwhelpers ")
    assert system.run("dpkg", "-V", "fwhelpers", "python3-fwhelpers").stdout == ""
