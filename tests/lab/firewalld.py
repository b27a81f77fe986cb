"""The distribution's firewalld with our files, in a namespace of the lab with its own system bus."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess

from lab.process import PATIENCE, Process, wait_until
from lab.topology import FWHELPERS, Lab

PACKAGING = Path(__file__).parents[2] / "packaging"
ADDRESS = "unix:path=/run/lab/bus"

#: all users may do everything; other tests cover authorization
_BUS = f"""<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type><listen>{ADDRESS}</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow receive_sender="*"/>
    <allow send_type="signal"/><allow send_type="method_return"/><allow send_type="error"/>
  </policy>
</busconfig>
"""

_FILES = f"""
set -e
cp -a /usr/lib/firewalld /run/firewalld-files
cp {PACKAGING}/firewalld/helpers/*.xml /run/firewalld-files/helpers/
cp {PACKAGING}/firewalld/services/*.xml /run/firewalld-files/services/
mount --bind /run/firewalld-files /usr/lib/firewalld
cp -a /etc/firewalld /run/firewalld-etc
mount --bind /run/firewalld-etc /etc/firewalld
rm -rf /etc/firewalld/*/*.xml
mkdir -p /run/firewalld
nft flush ruleset
"""


def environment() -> dict[str, str]:
    return {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": ADDRESS}


class Firewalld:
    """firewalld in a namespace of the lab. `start` waits until it answers."""

    def __init__(self, lab: Lab, ns: str = "g") -> None:
        self.lab = lab
        self.ns = ns
        self.process: Process | None = None
        inside = lab.namespaces[ns]
        inside.run("sh", "-c", _FILES)
        inside.path("/run/lab/bus.conf").write_text(_BUS)
        self.bus = self.start_bus()

    def write(self, kind: str, name: str, text: str) -> None:
        """Write permanent settings while firewalld does not run, which is faster than firewall-cmd."""
        xml = f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'
        self.lab.namespaces[self.ns].path(f"/etc/firewalld/{kind}/{name}.xml").write_text(xml)

    def option(self, name: str, value: str) -> bool:
        """Set an option of firewalld.conf before `start`; False if this firewalld has none of that name."""
        file = self.lab.namespaces[self.ns].path("/etc/firewalld/firewalld.conf")
        text, count = re.subn(rf"(?m)^{name}=.*$", f"{name}={value}", file.read_text())
        file.write_text(text)
        return count == 1

    def zone(self, name: str, *interfaces: str, services: tuple[str, ...] = ()) -> None:
        """Write a zone's permanent settings."""
        inner = [f'<interface name="{name}"/>' for name in interfaces]
        inner += [f'<service name="{name}"/>' for name in services]
        self.write("zones", name, f"<zone>{''.join(inner)}</zone>")

    def policy(self, name: str, ingress: str, egress: str, *inner: str) -> None:
        """Write a policy's permanent settings; `inner` are XML elements."""
        zones = f'<ingress-zone name="{ingress}"/><egress-zone name="{egress}"/>'
        self.write("policies", name, f'<policy target="CONTINUE">{zones}{"".join(inner)}</policy>')

    def start_bus(self) -> Process:
        socket = self.lab.namespaces[self.ns].path("/run/lab/bus")
        socket.unlink(missing_ok=True)
        argv = ("dbus-daemon", "--config-file=/run/lab/bus.conf", "--nofork", "--nopidfile")
        bus = self.lab.popen(self.ns, *argv, name="dbus")
        wait_until(socket.exists, "the bus listens")
        return bus

    def start(self) -> None:
        argv = ("firewalld", "--nofork", "--nopid", "--log-target=console")
        self.process = self.lab.popen(self.ns, *argv, name="firewalld", env=environment())
        wait_until(self._answers, "firewalld answers", 120)

    def _answers(self) -> bool:
        # 251: firewalld runs without its rules (firewall/errors.py: RUNNING_BUT_FAILED)
        return self.cmd("--state", check=False).returncode in (0, 251)

    def stop(self) -> None:
        """Stop firewalld with SIGTERM, as systemd does."""
        assert self.process is not None
        self.process.stop()

    def crash(self) -> None:
        """Kill firewalld, which leaves its rules in the kernel."""
        assert self.process is not None
        self.process.signal(signal.SIGKILL)
        self.process.wait()

    def cmd(self, *arguments: str, check: bool = True) -> CompletedProcess[str]:
        """Run firewall-cmd."""
        return self.run("firewall-cmd", *arguments, check=check)

    def run(
        self, *argv: str, check: bool = True, timeout: float = PATIENCE
    ) -> CompletedProcess[str]:
        """Run a program with the bus's address in its environment."""
        return self.lab.run(self.ns, *argv, check=check, env=environment(), timeout=timeout)

    def zones(self) -> str:
        """Return the output of `fwhelpers zones`."""
        return str(self.run(*FWHELPERS, "zones", "--config", "/run/lab/fwhelpers").stdout)

    def start_fwhelpers(self, toml: str = "", env: Mapping[str, str] | None = None) -> Process:
        """Start the service with the bus's address in its environment."""
        directory = self.lab.config(toml, self.ns)
        argv = (*FWHELPERS, "run", "--config", directory)
        daemon = self.lab.popen(self.ns, *argv, name="fwhelpers", env=env or environment())
        daemon.wait_line(r"^fwhelpers: ready")
        return daemon
