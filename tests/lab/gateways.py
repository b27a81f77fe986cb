"""Two gateways between a client and a server: g, which has the virtual addresses at first, and h.

c  10.0.1.2 ─┬─ lan ─ g ─ wan ─┬─ s  10.0.2.2     virtual addresses 10.0.1.1, 10.0.2.1 (VRRP)
             └─ lan ─ h ─ wan ─┘                  g: 10.0.1.11, 10.0.2.11; h: 10.0.1.12, 10.0.2.12
                    sync: g 10.0.9.1 ─ h 10.0.9.2

conntrackd replicates over `sync`. Both gateways run the service, with the same configuration.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from lab.namespace import Namespace, remove_leftovers, scratch
from lab.process import Process, run, wait_until
from lab.topology import FIREWALL, FWHELPERS, Lab

_NAMES = ("c", "g", "h", "s")

_LINKS = """
netns attach c {c}
netns attach g {g}
netns attach h {h}
netns attach s {s}
link add lan netns {g} type veth peer name to-g netns {c}
link add lan netns {h} type veth peer name to-h netns {c}
link add wan netns {g} type veth peer name to-g netns {s}
link add wan netns {h} type veth peer name to-h netns {s}
link add sync netns {g} type veth peer name sync netns {h}
"""
_END = """
link add eth0 type bridge forward_delay 0 mcast_snooping 0
link set to-g master eth0 up
link set to-h master eth0 up
address add {own}/24 brd + dev eth0
link set eth0 up
route add default via {via}
"""
_GATEWAY = """
address add 10.0.1.1{number}/24 brd + dev lan
address add 10.0.2.1{number}/24 brd + dev wan
address add 10.0.9.{number}/24 dev sync
link set lan up
link set wan up
link set sync up
"""
#: `masquerade` would use the gateway's own address, which does not move; VRRP must keep its own source
_SNAT = """
    chain postrouting {
        type nat hook postrouting priority srcnat;
        oifname "wan" ip saddr 10.0.1.0/24 snat ip to 10.0.2.1
    }
"""
#: the configuration that the documentation shows, with the lab's paths
EXAMPLES = Path(__file__).parents[2] / "docs/examples/gateways"
_PATHS = {
    "LogFile off": "LogFile /run/lab/conntrackd.log",
    "Syslog on": "Syslog off",
    "/var/lock/conntrack.lock": "/run/lab/conntrackd.lock",
    "/var/run/conntrackd.ctl": "/run/lab/conntrackd.ctl",
}
_CONF = "/run/lab/conntrackd.conf"
_GATEWAY_LINKS = ("lan", "wan", "sync")


class GatewayPair(Lab):
    """Context manager. `nat`: none, or snat (to the virtual address)."""

    def __enter__(self) -> GatewayPair:
        scratch(self.logs)
        remove_leftovers(*_NAMES)
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> list[Exception]:
        """Take everything down; return the errors."""
        errors = super().close()
        if "h" in self.namespaces:
            errors += self.namespaces.pop("h").close()
        return errors

    def _build(self) -> None:
        for name in _NAMES:
            self.namespaces[name] = Namespace(name, self.logs)
        for space in self.namespaces.values():
            space.wait_ready()
        pids = {name: space.pid for name, space in self.namespaces.items()}
        run(["ip", "-batch", "-"], input=_LINKS.format(**pids))
        for name, own, via in (("c", "10.0.1.2", "10.0.1.1"), ("s", "10.0.2.2", "10.0.2.1")):
            self._batch(name, _END.format(own=own, via=via))
        run(["sysctl", "-qw", "net.netfilter.nf_log_all_netns=1"], check=False)
        for number, name in enumerate("gh", start=1):
            self._batch(name, _GATEWAY.format(number=number))
            self.run(name, "sysctl", "-qw", "net.ipv4.ip_forward=1")
            nat = _SNAT if self.nat == "snat" else ""
            self.nft(FIREWALL + f"table inet nat {{ {nat} }}", ns=name)
        self.take_addresses("g")

    def open(self, l4: str, port: int) -> None:
        """Accept new connections to another service of the server, on both gateways."""
        for name in "gh":
            self.nft(
                f"insert rule inet firewall forward ct state new {l4} dport {port} accept", name
            )

    def take_addresses(self, name: str) -> None:
        """Add the virtual addresses to a gateway, and have the ends look for them again."""
        self._batch(name, "address add 10.0.1.1/32 dev lan\naddress add 10.0.2.1/32 dev wan\n")
        for end in ("c", "s"):
            self.run(end, "ip", "neigh", "flush", "dev", "eth0")

    def start_conntrackd(self, expectations: bool = True) -> dict[str, Process]:
        """Start conntrackd on both gateways and wait until each serves its control socket. Return the processes.

        `expectations`: it synchronises them, and not connections alone.
        """
        for name in "gh":
            space = self.namespaces[name]
            conf = (EXAMPLES / "conntrackd.conf").read_text()
            if not expectations:
                conf = conf.replace("ExpectationSync On", "")
            for installed, ours in _PATHS.items():
                conf = conf.replace(installed, ours)
            if name == "h":
                conf = _exchanged(conf, "10.0.9.1", "10.0.9.2")
            space.path(_CONF).write_text(conf)
        return {name: self.restart_conntrackd(name) for name in "gh"}

    def restart_conntrackd(self, name: str) -> Process:
        """Start conntrackd on one gateway, with the configuration that it has."""
        # a killed one leaves it, and the next one ends at once
        self.namespaces[name].path(_PATHS["/var/lock/conntrack.lock"]).unlink(missing_ok=True)
        process = self.popen(name, "conntrackd", "-C", _CONF)
        wait_until(lambda: self.conntrackd(name, "-s", check=False), f"{name}: conntrackd")
        return process

    def conntrackd(self, ns: str, *arguments: str, check: bool = True) -> str:
        """Send a command to conntrackd; return its output, empty if it failed and `check` is false."""
        result = self.run(ns, "conntrackd", "-C", _CONF, *arguments, check=check)
        return "" if result.returncode else result.stdout

    def wait_replicated(self, count: int, port: int, ns: str = "h") -> None:
        """Wait until the passive gateway's external cache has so many expectations of control connections to a port."""
        self.wait_cached("expect", f"dport={port} ", count, ns)

    def wait_cached(self, kind: str, text: str, count: int = 1, ns: str = "h") -> None:
        """Wait until the passive gateway's external cache of `kind` (ct, expect) has a text so many times or more."""
        wait_until(
            lambda: self.conntrackd(ns, "-e", kind).count(text) >= count,
            f"{count} times {text} in the external cache of {kind}",
        )

    def fail(self, active: Process) -> None:
        """Kill the service of the active gateway, and cut its links."""
        active.signal(signal.SIGKILL)
        for link in _GATEWAY_LINKS:
            self.run("g", "ip", "link", "set", link, "down")

    def return_links(self) -> None:
        """Give g its links back, without the virtual addresses."""
        self.drop_addresses("g")
        for link in _GATEWAY_LINKS:
            self.run("g", "ip", "link", "set", link, "up")

    def take_over(self, name: str = "h") -> str:
        """Make a gateway the active one, with the notify script; return what `fwhelpers takeover` prints."""
        output = self.notify(name, "MASTER")
        self.take_addresses(name)
        return next(line for line in output.splitlines() if line.startswith("takeover: "))

    def hand_over(self, active: str, passive: str) -> str:
        """Exchange the roles of two gateways that both work; return what `fwhelpers takeover` prints."""
        self.drop_addresses(active)
        self.notify(active, "BACKUP")
        return self.take_over(passive)

    def notify(self, name: str, state: str) -> str:
        """Run the notify script as keepalived does; return its output."""
        paths = os.pathsep.join([str(Path(FWHELPERS[0]).parent), os.environ["PATH"]])
        env = {"CONNTRACKD_CONF": _CONF, "FWHELPERS_CONF": "/run/lab/fwhelpers", "PATH": paths}
        script = str(EXAMPLES / "notify")
        return self.run(name, "sh", script, "GROUP", "gateway", state, "50", env=env).stdout

    def drop_addresses(self, name: str) -> None:
        """Remove the virtual addresses from a gateway."""
        self._batch(name, "address del 10.0.1.1/32 dev lan\naddress del 10.0.2.1/32 dev wan\n")


def _exchanged(text: str, first: str, second: str) -> str:
    """Exchange two addresses of the lines of UDP; both are also in a list, where the order does not count."""
    return text.replace(first, "@").replace(second, first).replace("@", second)
