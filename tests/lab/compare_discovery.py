"""The discovery cases: the gateway asks and the second client answers, on one link."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

from fwhelpers.engine.repetition import YOUNG
from lab import PROGRAMS
from lab.compare import Case
from lab.conntrackd import Assignment
from lab.discovery_requests import REQUESTS
from lab.process import wait_until
from lab.topology import Lab

_PEERS = (sys.executable, str(PROGRAMS / "discoverers.py"))

#: a host's firewall, which drops unsolicited traffic
_FIREWALL = """
table inet host {
    chain input {
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state established,related accept
        meta l4proto ipv6-icmp accept
        ip protocol igmp accept
    }
}
"""
_ADDR_REG = (
    b"\x24"
    + REQUESTS["dhcpv6"][5][1:]
    + bytes.fromhex("00050018fd010000000000000000000000000001" + "00000e10" * 2)
)


def _start(lab: Lab, listeners: set[str]) -> None:
    wait_until(lambda: _link_local(lab), "the gateway has a link-local address")
    answerer = lab.popen("c2", *_PEERS, "answer", *sorted(listeners), name="answerer")
    answerer.wait_line("^listening$")


def _link_local(lab: Lab) -> bool:
    listing = lab.run("g", "ip", "-6", "address", "show", "dev", "lan").stdout
    return "fe80::" in listing and "tentative" not in listing


def _ask(lab: Lab, name: str, request: bytes = b"") -> bool:
    _, family, group, port, sport, usual = REQUESTS[name]
    words = (str(family), group, str(port), str(sport), (request or usual).hex(), "6")
    return lab.run("g", *_PEERS, "ask", *words).stdout.startswith("answer ")


def _register_address(lab: Lab) -> bool:
    # the same socket address asked in the step before, and the engine does not repeat an expectation that is younger
    time.sleep(YOUNG)
    return _ask(lab, "dhcpv6", _ADDR_REG)


def _send(lab: Lab, name: str, request: bytes) -> bool:
    """Send a request that should create no expectation; ignore its answer."""
    _ask(lab, name, request)
    return True


def _case(
    title: str,
    *names: str,
    kernel: bool = False,
    conntrackd: bool = True,
    more: tuple[tuple[str, Callable[[Lab], bool]], ...] = (),
    modules: tuple[str, ...] = (),
) -> Case:
    helper, _, _, port, *_ = REQUESTS[names[0]]
    rows = [REQUESTS[name] for name in names]
    families = sorted({row[1] for row in rows})
    steps = [
        (f"request, IPv{row[1]}", partial(_ask, name=name))
        for name, row in zip(names, rows, strict=True)
    ]
    return Case(
        title,
        start=partial(_start, listeners={_listener(name) for name in names}),
        steps=[*steps, *more],
        firewall=_FIREWALL,
        conntrackd=[Assignment(helper, "udp", port, {4: "ip", 6: "ip6"}[f]) for f in families]
        if conntrackd
        else (),
        kernel=[Assignment(helper, "udp", port)] if kernel else (),
        modules=modules,
        config=f"[helpers.{helper}]\n",
        fixed=frozenset([port, 546]),
    )


def _listener(name: str) -> str:
    _, family, group, port, *_ = REQUESTS[name]
    return f"{family},{'' if group.endswith('255') else group},{port}"


def _garbage(name: str) -> tuple[str, Callable[[Lab], bool]]:
    return f"garbage, IPv{REQUESTS[name][1]}", partial(_send, name=name, request=b"garbage")


DISCOVERY = [
    _case("mDNS", "mdns", "mdns-v6", more=(_garbage("mdns"),)),
    _case("SSDP", "ssdp", "ssdp-v6"),
    _case("SLP", "slp", more=(_garbage("slp"),)),
    _case(
        "DHCPv6",
        "dhcpv6",
        more=(("ADDR-REG-INFORM (RFC 9686), IPv6", _register_address),),
    ),
    _case(
        "NetBIOS names",
        "netbios-ns",
        kernel=True,
        conntrackd=False,
        modules=("nf_conntrack_netbios_ns",),
    ),
    _case(
        "SNMP to everybody", "snmp", kernel=True, conntrackd=False, modules=("nf_conntrack_snmp",)
    ),
    _case("LLMNR", "llmnr", conntrackd=False),
    _case("WS-Discovery", "wsd", conntrackd=False),
]
