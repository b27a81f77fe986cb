"""The cases of discovery: the gateway itself asks, the second client answers, both on one link."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from lab import PROGRAMS
from lab.compare import Case
from lab.conntrackd import Wanted
from lab.discovery_requests import ASKED
from lab.process import wait_until
from lab.topology import Lab

_PEERS = (sys.executable, str(PROGRAMS / "discoverers.py"))

#: like that of a host: what was not asked for stays out
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
    + ASKED["dhcpv6"][5][1:]
    + bytes.fromhex("00050018fd010000000000000000000000000001" + "00000e10" * 2)
)


def _start(lab: Lab, listeners: set[str]) -> None:
    wait_until(lambda: _link_local(lab), "the gateway has a link-local address")
    answerer = lab.popen("c2", *_PEERS, "answer", *sorted(listeners), name="answerer")
    answerer.wait_line("^listening$")


def _link_local(lab: Lab) -> bool:
    found = lab.run("g", "ip", "-6", "address", "show", "dev", "lan").stdout
    return "fe80::" in found and "tentative" not in found


def _ask(lab: Lab, what: str, request: bytes = b"") -> bool:
    _, family, where, port, sport, usual = ASKED[what]
    words = (str(family), where, str(port), str(sport), (request or usual).hex(), "6")
    return lab.run("g", *_PEERS, "ask", *words).stdout.startswith("answer ")


def _send(lab: Lab, what: str, request: bytes) -> bool:
    """For what should open nothing: its answer matters to nobody."""
    _ask(lab, what, request)
    return True


def _case(
    title: str,
    *whats: str,
    kernel: bool = False,
    conntrackd: bool = True,
    more: tuple[tuple[str, Callable[[Lab], bool]], ...] = (),
    modules: tuple[str, ...] = (),
) -> Case:
    helper, _, _, port, *_ = ASKED[whats[0]]
    rows = [ASKED[what] for what in whats]
    families = sorted({row[1] for row in rows})
    steps = [
        (f"request, IPv{row[1]}", partial(_ask, what=what))
        for what, row in zip(whats, rows, strict=True)
    ]
    return Case(
        title,
        start=partial(_start, listeners={_listener(what) for what in whats}),
        steps=[*steps, *more],
        firewall=_FIREWALL,
        conntrackd=[Wanted(helper, "udp", port, {4: "ip", 6: "ip6"}[f]) for f in families]
        if conntrackd
        else (),
        kernel=[Wanted(helper, "udp", port)] if kernel else (),
        modules=modules,
        config=f"[helpers.{helper}]\n",
        fixed=frozenset([port, 546]),
    )


def _listener(what: str) -> str:
    _, family, where, port, *_ = ASKED[what]
    return f"{family},{'' if where.endswith('255') else where},{port}"


def _garbage(what: str) -> tuple[str, Callable[[Lab], bool]]:
    return f"garbage, IPv{ASKED[what][1]}", partial(_send, what=what, request=b"garbage")


DISCOVERY = [
    _case("mDNS", "mdns", "mdns-v6", more=(_garbage("mdns"),)),
    _case("SSDP", "ssdp", "ssdp-v6"),
    _case("SLP", "slp", more=(_garbage("slp"),)),
    _case(
        "DHCPv6",
        "dhcpv6",
        more=(
            ("ADDR-REG-INFORM (RFC 9686), IPv6", partial(_ask, what="dhcpv6", request=_ADDR_REG)),
        ),
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
