"""fwhelpers as its packages install it, under the lab's systemd."""

from __future__ import annotations

from lab.process import wait_until
from lab.system import System
from lab.topology import Lab

UNIT = "fwhelpers.service"

# everything takes longer under emulation; a watchdog timeout would prove nothing
_SLOW = "[Service]\nTimeoutStartSec=300\nTimeoutStopSec=120\nWatchdogSec=120\n"


def boot(system: System, config: str, *units: str) -> None:
    """Configure the service and boot with these units."""
    system.write(f"/etc/systemd/system/{UNIT}.d/lab.conf", _SLOW)
    configure(system, config)
    system.boot(*units)


def configure(system: System, config: str) -> None:
    """Write the configuration."""
    system.write("/etc/fwhelpers/conf.d/lab.toml", config)


def main_pid(system: System) -> int:
    """Return the manager's process id in the system, 0 if none runs."""
    shown = system.systemctl("show", "--property=MainPID", "--value", UNIT).stdout
    return int(shown)


def workers(system: System) -> list[int]:
    """Return the workers' process ids in the system."""
    pid = main_pid(system)
    children = f"/proc/{pid}/task/{pid}/children"
    return [int(p) for p in system.run("cat", children).stdout.split()]


def tables(lab: Lab) -> str:
    """Return the names of the gateway's tables."""
    return str(lab.run("g", "nft", "list", "tables").stdout)


def queues(lab: Lab) -> list[list[str]]:
    """Return the gateway's queues: number, port id, waiting packets ..."""
    lines = lab.run("g", "cat", "/proc/net/netfilter/nfnetlink_queue").stdout.splitlines()
    return [line.split() for line in lines]


def reload(system: System, helpers: str) -> None:
    """Reload the service; `helpers` are those of the new configuration.

    With systemd 253 and later they are enabled when `systemctl reload` returns.
    """
    version = int(system.systemctl("--version").stdout.split()[1])
    kind = "notify-reload" if version >= 253 else "notify"
    assert system.systemctl("show", "--property=Type", "--value", UNIT).stdout.strip() == kind
    system.systemctl("reload", UNIT)
    if version >= 253:
        assert status(system).startswith(f"{helpers};")
    else:
        wait_until(lambda: status(system).startswith(f"{helpers};"), f"{helpers} enabled")


def status(system: System) -> str:
    """Return what the service has last reported to systemd."""
    return system.systemctl("show", "--property=StatusText", "--value", UNIT).stdout.strip()


def wait_logged(system: System, text: str) -> None:
    """Wait until the service's journal has a line with this text."""
    wait_until(lambda: text in system.journal(UNIT), f"journal: {text}", 120)
