"""The distribution's NetworkManager in a namespace of the lab; it uses firewalld's bus."""

from __future__ import annotations

from subprocess import CompletedProcess

from lab.firewalld import environment
from lab.process import PATIENCE, Process, wait_until
from lab.topology import Lab

# without udev, devices count as ready only if /sys is read-only (nm-platform-utils: nmp_utils_sysctl)
_FILES = """
set -e
mkdir -p /run/NetworkManager /run/nm/system-connections
mount -t tmpfs tmpfs /var/lib/NetworkManager
printf '[main]\\nplugins=keyfile\\ndhcp=internal\\nno-auto-default=*\\n[keyfile]\\nunmanaged-devices=none\\n' \
    > /run/nm/NetworkManager.conf
mount --bind /run/nm /etc/NetworkManager
mount --bind /sys /sys
mount -o remount,ro,bind /sys
"""


class NetworkManager:
    """NetworkManager; `lab` may be any object with namespaces."""

    def __init__(self, lab: Lab, ns: str = "g") -> None:
        self.lab = lab
        self.ns = ns
        lab.run(ns, "sh", "-c", _FILES)
        self.process = self.start()

    def start(self) -> Process:
        """Start NetworkManager and wait until it answers."""
        argv = ("NetworkManager", "--no-daemon")
        self.process = self.lab.popen(self.ns, *argv, name="NetworkManager", env=environment())
        wait_until(lambda: self.cmd("general", check=False).returncode == 0, "it answers", 90)
        return self.process

    def cmd(self, *arguments: str, check: bool = True) -> CompletedProcess[str]:
        """Run nmcli."""
        argv = ("nmcli", "--wait", str(int(PATIENCE)), *arguments)
        return self.lab.run(self.ns, *argv, check=check, env=environment(), timeout=2 * PATIENCE)

    def add(self, name: str, kind: str, interface: str, *more: str) -> None:
        """Add a profile without addresses; it is not activated."""
        quiet = (
            "ipv4.method",
            "disabled",
            "ipv6.method",
            "disabled",
            "connection.autoconnect",
            "no",
        )
        words = ("connection", "add", "type", kind, "ifname", interface, "con-name", name)
        self.cmd(*words, *quiet, *more)
