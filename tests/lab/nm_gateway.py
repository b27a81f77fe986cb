"""A gateway under systemd whose links NetworkManager manages: profiles and transfers."""

from __future__ import annotations

import base64
import sys
from enum import StrEnum
from uuid import NAMESPACE_DNS, uuid5

from lab import PROGRAMS
from lab.clients import download
from lab.process import LabError, Process, wait_until
from lab.service import UNIT, configure
from lab.system import System
from lab.topology import SERVER, Lab

PEERS = str(PROGRAMS / "peers.py")
MANAGER = "NetworkManager.service"

_CONF = "[main]\nplugins=keyfile\ndhcp=internal\nno-auto-default=*\n"
_PROFILE = """[connection]
id={name}
uuid={uuid}
type={kind}
interface-name={interface}
autoconnect={auto}
{more}
"""
_ADDRESS = "[ipv4]\nmethod=manual\naddress1={}/24\n[ipv6]\nmethod=disabled\n"


class Outcome(StrEnum):
    """The result of a transfer."""

    HELPED = "the data came"
    REFUSED = "the server named a port, and the data connection did not get through"
    UNREACHABLE = "not even the control connection"


class Premises:
    """Profiles before the boot; nmcli, transfers and the service's journal after it."""

    def __init__(self, lab: Lab, system: System) -> None:
        self.lab = lab
        self.system = system
        self._talks = 0
        system.write("/etc/NetworkManager/NetworkManager.conf", _CONF)
        # NetworkManager creates links and addresses instead of the lab
        lab.run("g", "ip", "link", "delete", "lan")
        lab.run("g", "ip", "address", "flush", "dev", "wan")

    def profile(
        self,
        name: str,
        kind: str,
        interface: str,
        address: str = "",
        *more: str,
        auto: bool = False,
    ) -> None:
        """Write a profile as a keyfile; `more` are lines of its [connection], then further sections.

        A profile without an address is for a bridge port.
        """
        text = _PROFILE.format(
            name=name, uuid=uuid(name), kind=kind, interface=interface, more="\n".join(more),
            auto="true" if auto else "false",
        )  # fmt: skip
        if address:
            text += _ADDRESS.format(address)
        inside = f"/etc/NetworkManager/system-connections/{name}.nmconnection"
        self.system.write(inside, text)
        self.system.path(inside).chmod(0o600)

    def nmcli(self, *argv: str) -> str:
        """Run nmcli. Raises LabError with NetworkManager's last log lines."""
        done = self.system.run("nmcli", "--wait", "60", *argv, check=False)
        if done.returncode:
            raise LabError(f"nmcli {' '.join(argv)}: {done.stderr}\n{self.last(MANAGER)}")
        return done.stdout

    def ip(self, ns: str, *commands: str) -> None:
        """Run commands of ip(8) in order."""
        self.lab.run(ns, "ip", "-batch", "-", input="\n".join(commands) + "\n")

    def answers(self) -> bool:
        """Return whether NetworkManager has finished its startup."""
        done = self.system.run("nmcli", "-g", "STARTUP", "general", check=False)
        return done.stdout.strip() == "started"

    def idle(self, device: str) -> bool:
        """Return whether no profile is active on a device."""
        return "(disconnected)" in self.nmcli("-g", "GENERAL.STATE", "device", "show", device)

    def configure(self, toml: str) -> None:
        """Replace the configuration and wait until it is active."""
        configure(self.system, toml)
        self.system.run("fwhelpers", "reload")

    def fwhelpers(self, *argv: str) -> str:
        """Return the output of a command of ours."""
        return self.system.run("fwhelpers", *argv).stdout

    # transfers

    def fetch(self, client: str = "c", way: str = "PASV") -> Outcome:
        """Download a file once."""
        done = download(self.lab, way, 4, client=client)
        if done.returncode == 0:
            return Outcome.HELPED
        agreed = any(text in done.stderr for text in ("< 227 ", "< 200 PORT"))
        return Outcome.REFUSED if agreed else Outcome.UNREACHABLE

    def helped(self, when: str, client: str = "c", way: str = "PASV") -> None:
        """Wait for a successful transfer."""
        self._wait(Outcome.HELPED, when, client, way)

    def refused(self, when: str, client: str = "c", way: str = "PASV") -> None:
        """Wait for a transfer whose control connection succeeds and whose data connection fails."""
        self._wait(Outcome.REFUSED, when, client, way)

    def _wait(self, outcome: Outcome, when: str, client: str, way: str) -> None:
        outcomes = []

        def once() -> bool:
            outcomes.append(self.fetch(client, way))
            return outcomes[-1] is outcome

        try:
            wait_until(once, f"{when}: {outcome}")
        except LabError as error:
            rules = self.system.run("nft", "list", "table", "inet", "fwhelpers", check=False).stdout
            text = f"{error} ({', '.join(o.name for o in outcomes)})"
            links = self.system.run(
                "sh", "-c", "ip -br address; ip route; bridge link; ip neigh"
            ).stdout
            logs = self.last(UNIT), self.last(MANAGER), rules, links
            raise LabError("\n".join([text, *logs])) from None

    def talk(self, rounds: int) -> Talk:
        """Open a control connection on which `Talk.go` requests data."""
        self._talks += 1
        return Talk(self.lab, f"/run/lab/go-{self._talks}-", rounds)

    # the journal

    def last(self, unit: str, lines: int = 40) -> str:
        """Return the end of a unit's journal."""
        return self.system.journal(unit, f"--lines={lines}", "--output=short-precise")

    def count(self, text: str) -> int:
        """Return how often the service has logged a text."""
        return self.system.journal(UNIT).count(text)

    def wait_logged(self, text: str, before: int) -> None:
        """Wait until a text is logged more than `before` times."""
        wait_until(lambda: self.count(text) > before, f"journal: {text}")


class Talk:
    """An FTP control connection from the client, logged in."""

    def __init__(self, lab: Lab, gate: str, rounds: int) -> None:
        self._lab = lab
        self._gate = gate
        self._round = 0
        steps = [f"@{gate}{n};pasv" for n in range(rounds)]
        argv = (
            sys.executable,
            PEERS,
            "ftp_client",
            SERVER[4],
            ";".join(["USER ftp;PASS x", *steps]),
        )
        self._process: Process = lab.popen("c", *argv, name="talk")
        self._process.wait_line("^< 230 Login")

    def go(self) -> bool:
        """Request a data connection; return whether it succeeds."""
        before = len(self._process.lines)
        self._lab.namespaces["c"].path(f"{self._gate}{self._round}").touch()
        self._round += 1
        line = self._process.wait_line("^data (connected|failed)", after=before)
        return "connected" in line.string


def uuid(name: str) -> str:
    """Return a profile's UUID, derived from its name."""
    return str(uuid5(NAMESPACE_DNS, name))


def key(byte: int) -> str:
    """Return a WireGuard private key for tests."""
    return base64.b64encode(bytes([byte]) * 32).decode()
