"""The lab: two clients, a gateway with a default-drop firewall, and a server.

c  10.0.1.2 fd01::2 ─┐                                          g's forward policy is drop; it accepts
                     ├─ lan ── g ── wan ─── s  10.0.2.2 fd02::2   established and related traffic, and the
c2 10.0.1.3 fd01::3 ─┘   10.0.1.1 10.0.2.1                        control ports (111, 21)
                         fd01::1  fd02::1
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from lab.namespace import Namespace, remove_leftovers, scratch
from lab.process import PATIENCE, LabError, Process, run, wait_until

__all__ = ["Lab", "LabError", "Process", "run", "wait_until"]

CLIENT = {4: "10.0.1.2", 6: "fd01::2"}
CLIENT2 = {4: "10.0.1.3", 6: "fd01::3"}
SERVER = {4: "10.0.2.2", 6: "fd02::2"}
INNER = {4: "10.0.1.1", 6: "fd01::1"}  # the gateway, as the clients see it
OUTER = {4: "10.0.2.1", 6: "fd02::1"}  # the gateway, as the server sees it

FIREWALL = """
table inet firewall {
    counter dropped { }
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        ct state new tcp dport { 21, 111 } accept
        ct state new udp dport 111 accept
        counter name dropped log prefix "lab drop: "
    }
}
"""

_SNAT = """
    chain postrouting {
        type nat hook postrouting priority srcnat;
        oifname "wan" masquerade
    }
"""
_DNAT = """
    chain prerouting {
        type nat hook prerouting priority dstnat;
        iifname "lan" ip daddr 10.0.1.1 meta l4proto { tcp, udp } th dport { 21, 111 } dnat ip to 10.0.2.2
        iifname "lan" ip6 daddr fd01::1 meta l4proto { tcp, udp } th dport { 21, 111 } dnat ip6 to fd02::2
    }
"""
_SERVICE_DNAT = """
add chain inet nat services {{ type nat hook prerouting priority dstnat + 1; }}
add rule inet nat services iifname "lan" ip daddr 10.0.1.1 {l4} dport {port} dnat ip to 10.0.2.2
add rule inet nat services iifname "lan" ip6 daddr fd01::1 {l4} dport {port} dnat ip6 to fd02::2
"""
NAT = {"none": "", "snat": _SNAT, "dnat": _DNAT, "both": _SNAT + _DNAT}

_LINKS = """
netns attach c {c}
netns attach c2 {c2}
netns attach g {g}
netns attach s {s}
link add lan-c netns {g} type veth peer name eth0 netns {c}
link add lan-c2 netns {g} type veth peer name eth0 netns {c2}
link add wan netns {g} type veth peer name eth0 netns {s}
"""
_GATEWAY = """
link add lan type bridge forward_delay 0 mcast_snooping 0
link set lan-c master lan up
link set lan-c2 master lan up
address add 10.0.1.1/24 brd + dev lan
address add fd01::1/64 dev lan nodad
address add 10.0.2.1/24 brd + dev wan
address add fd02::1/64 dev wan nodad
link set lan up
link set wan up
"""
_END = """
address add {four}/24 brd + dev eth0
address add {six}/64 dev eth0 nodad
link set eth0 up
route add default via {via4}
route add ::/0 via {via6}
"""


class Lab:
    """Context manager. `nat`: none, snat (masquerade towards the server), dnat (the gateway's own address), both."""

    def __init__(self, nat: str = "none", logs: Path = Path("/tmp/lab")) -> None:
        self.nat = nat
        self.logs = logs
        self.namespaces: dict[str, Namespace] = {}
        self.cleanups: list[Callable[[], object]] = []

    def __enter__(self) -> Lab:
        scratch(self.logs)
        remove_leftovers("c", "c2", "g", "s")
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        errors = self.close()
        if errors:
            raise ExceptionGroup("the lab could not be taken down cleanly", errors)

    def close(self) -> list[Exception]:
        """Take everything down; return the errors."""
        errors: list[Exception] = []
        while self.cleanups:
            try:
                self.cleanups.pop()()
            except Exception as error:  # continue and collect the errors
                errors.append(error)
        for name in ("c", "c2", "g", "s"):
            if name in self.namespaces:
                errors += self.namespaces.pop(name).close()
        return errors

    def _build(self) -> None:
        for name in ("c", "c2", "g", "s"):
            self.namespaces[name] = Namespace(name, self.logs)
        for space in self.namespaces.values():
            space.wait_ready()
        pids = {name: space.pid for name, space in self.namespaces.items()}
        run(["ip", "-batch", "-"], input=_LINKS.format(**pids))
        self._batch("g", _GATEWAY)
        for name, own, via in (("c", CLIENT, INNER), ("c2", CLIENT2, INNER), ("s", SERVER, OUTER)):
            self._batch(name, _END.format(four=own[4], six=own[6], via4=via[4], via6=via[6]))
        self.run("g", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        run(["sysctl", "-qw", "net.netfilter.nf_log_all_netns=1"], check=False)
        self.nft(FIREWALL + f"table inet nat {{ {NAT[self.nat]} }}")

    def _batch(self, name: str, commands: str) -> None:
        self.run(name, "ip", "-batch", "-", input=commands)

    def run(self, ns: str, *argv: str, **options: Any) -> CompletedProcess[str]:
        """Run a command in a namespace (c, c2, g, s) to its end."""
        return self.namespaces[ns].run(*argv, **options)

    def popen(self, ns: str, *argv: str, **options: Any) -> Process:
        """Start a program in a namespace; it ends with the lab at the latest."""
        return self.namespaces[ns].popen(*argv, **options)

    def nft(self, text: str, ns: str = "g") -> None:
        """Load rules into the gateway."""
        self.run(ns, "nft", "-f", "-", input=text)

    def open(self, l4: str, port: int) -> None:
        """Accept new connections to another service of the server, with the lab's NAT."""
        self.nft(f"insert rule inet firewall forward ct state new {l4} dport {port} accept")
        if self.nat in ("dnat", "both"):
            self.nft(_SERVICE_DNAT.format(l4=l4, port=port))

    def target(self, family: int = 4) -> str:
        """Return the address that the client uses for the server."""
        return (INNER if self.nat in ("dnat", "both") else SERVER)[family]

    def dropped(self) -> int:
        """Return how many packets the gateway's firewall has dropped."""
        listed = self.run("g", "nft", "list", "counter", "inet", "firewall", "dropped").stdout
        return int(listed.split("packets ")[1].split()[0])

    def ping(self, source: str, address: str) -> bool:
        """Return whether an echo reply arrives (the firewall forwards none)."""
        return self.run(source, "ping", "-c1", "-W5", address, check=False).returncode == 0

    def fwhelpers(self, *arguments: str, ns: str = "g", **options: Any) -> CompletedProcess[str]:
        """Run the command `fwhelpers` on the gateway to its end."""
        return self.run(ns, *FWHELPERS, *arguments, **options)

    def config(self, toml: str, ns: str = "g") -> str:
        """Write a configuration directory and return its name."""
        folder = self.namespaces[ns].path("/run/lab/fwhelpers")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "fwhelpers.toml").write_text(toml)
        return "/run/lab/fwhelpers"

    def start_fwhelpers(self, toml: str, ns: str = "g", timeout: float = PATIENCE) -> Process:
        """Start the service on the gateway and wait until it is ready."""
        daemon = self.popen(
            ns, *FWHELPERS, "run", "--config", self.config(toml, ns), name="fwhelpers"
        )
        daemon.wait_line(r"^fwhelpers: ready", timeout)
        return daemon

    def watch_expectations(self) -> Process:
        """Start `conntrack -E expect` on the gateway and wait until it misses nothing."""
        events = self.popen("g", "conntrack", "-E", "expect", name="conntrack")
        self.namespaces["g"].wait_listening_for_events(events)
        return events

    def report(self) -> dict[str, str]:
        """Return logs and the gateway's state, to be shown after a failure."""
        sections = {
            log.name: log.read_text(errors="replace") for log in sorted(self.logs.glob("*.log"))
        }
        if "g" in self.namespaces:
            for title, argv in _STATE.items():
                result = self.run("g", *argv, check=False)
                sections[f"gateway: {title}"] = result.stdout + result.stderr
        sections["kernel log"] = "\n".join(run(["dmesg"], check=False).stdout.splitlines()[-40:])
        return {title: text for title, text in sections.items() if text.strip()}


FWHELPERS = (os.path.join(os.path.dirname(sys.executable), "fwhelpers"),)

_STATE = {
    "nft list ruleset": ("nft", "list", "ruleset"),
    "conntrack -L": ("conntrack", "-L"),
    "conntrack -L expect": ("conntrack", "-L", "expect"),
}
