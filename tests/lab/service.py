"""fwhelpers in the lab's systemd, as its packages install it."""

from __future__ import annotations

from lab.process import wait_until
from lab.system import System
from lab.topology import Lab

UNIT = "fwhelpers.service"

# emulated, everything takes longer; a watchdog that bites because of that would prove nothing
_SLOW = "[Service]\nTimeoutStartSec=300\nTimeoutStopSec=120\nWatchdogSec=120\n"


def boot(system: System, config: str, *units: str) -> None:
    """Configure it and boot; of our units, only these are started."""
    system.write(f"/etc/systemd/system/{UNIT}.d/lab.conf", _SLOW)
    configure(system, config)
    system.boot(*units)


def configure(system: System, config: str) -> None:
    """Write the configuration."""
    system.write("/etc/fwhelpers/conf.d/lab.toml", config)


def main_pid(system: System) -> int:
    """The manager's process id, as seen in the system; 0 if none runs."""
    shown = system.systemctl("show", "--property=MainPID", "--value", UNIT).stdout
    return int(shown)


def workers(system: System) -> list[int]:
    """The workers' process ids, as seen in the system."""
    pid = main_pid(system)
    children = f"/proc/{pid}/task/{pid}/children"
    return [int(p) for p in system.run("cat", children).stdout.split()]


def tables(lab: Lab) -> str:
    """The gateway's nftables tables."""
    return str(lab.run("g", "nft", "list", "tables").stdout)


def queues(lab: Lab) -> list[list[str]]:
    """The gateway's queues: number, port id, waiting packets …"""
    lines = lab.run("g", "cat", "/proc/net/netfilter/nfnetlink_queue").stdout.splitlines()
    return [line.split() for line in lines]


def wait_logged(system: System, text: str) -> None:
    """Wait until the service's journal has a line with this text."""
    wait_until(lambda: text in system.journal(UNIT), f"journal: {text}", 120)
