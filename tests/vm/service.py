"""fwhelpers in the lab's systemd as a package would install it, from the source tree."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

import pluggy
from lab import Lab
from process import wait_until
from system import System

ROOT = Path(__file__).parents[2]
SITE = "/usr/lib/python3/dist-packages"
UNITS = "/usr/lib/systemd/system"
UNIT = "fwhelpers.service"
_DBUS = {
    "*.conf": "dbus-1/system.d", "*.service": "dbus-1/system-services",
    "*.policy": "polkit-1/actions",
}  # fmt: skip


def install(system: System) -> None:
    """Program, plugins with their entry points, units, user; nothing is enabled."""
    site = system.path(SITE)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "fwhelpers", site / "fwhelpers", ignore=ignore)
    shutil.copytree(ROOT / "plugins", site / "fwhelpers_plugins", ignore=ignore)
    for file in (ROOT / "dbus").glob("*.xml"):
        system.write(f"{SITE}/fwhelpers/dbus/{file.name}", file.read_text())
    if not (site / "pluggy").is_dir():
        shutil.copytree(Path(pluggy.__file__).parent, site / "pluggy", ignore=ignore)
    described(system, "fwhelpers", _entry_points())
    units = ROOT / "packaging/systemd"
    for unit in units.glob("*.service"):
        system.write(f"{UNITS}/{unit.name}", unit.read_text())
    for drop_in in units.glob("*.service.d/*.conf"):
        system.write(f"{UNITS}/{drop_in.parent.name}/{drop_in.name}", drop_in.read_text())
    for pattern, where in _DBUS.items():
        for file in (ROOT / "dbus").glob(pattern):
            system.write(f"/usr/share/{where}/{file.name}", file.read_text())
    system.write("/usr/lib/tmpfiles.d/fwhelpers.conf", (units / "fwhelpers.tmpfiles").read_text())
    sysusers = (units / "fwhelpers.sysusers").read_text()
    system.write("/usr/lib/sysusers.d/fwhelpers.conf", sysusers)
    # emulated, everything takes longer; a watchdog that bites because of that would prove nothing
    slow = "[Service]\nTimeoutStartSec=300\nTimeoutStopSec=120\nWatchdogSec=120\n"
    system.write(f"/etc/systemd/system/{UNIT}.d/emulated.conf", slow)


def described(system: System, name: str, entry_points: dict[str, str]) -> None:
    """Let importlib.metadata find a distribution of this name with these plugins."""
    where = f"{SITE}/{name}-1.dist-info"
    system.write(f"{where}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    lines = "\n".join(f"{key} = {value}" for key, value in entry_points.items())
    system.write(f"{where}/entry_points.txt", f"[fwhelpers.plugins]\n{lines}\n")


def _entry_points() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return dict(project["entry-points"]["fwhelpers.plugins"])


def boot(lab: Lab, config: str, *units: str) -> System:
    """A system with fwhelpers installed and configured, its user there, booted."""
    system = System(lab)
    install(system)
    configure(system, config)
    system.boot(*units)
    system.run("systemd-sysusers", "/usr/lib/sysusers.d/fwhelpers.conf")
    system.run("systemd-tmpfiles", "--create", "/usr/lib/tmpfiles.d/fwhelpers.conf")
    system.systemctl("reload", "dbus.service", check=False)  # its policy names that user
    return system


def configure(system: System, config: str) -> None:
    """Write the configuration."""
    system.write("/etc/fwhelpers/fwhelpers.toml", config)


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


def python() -> str:
    """The interpreter for the lab's own programs."""
    return sys.executable
