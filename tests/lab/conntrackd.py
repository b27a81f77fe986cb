"""conntrackd with its user-space helpers on the gateway, for comparison.

Helpers belong to the machine, not to the network namespace, and conntrackd does not start if one of its names is
registered with other properties. Helpers of an earlier lab (ours stay registered on purpose) are therefore removed
first, and everything that starts here is removed with the lab.
"""

from __future__ import annotations

from collections.abc import Sequence
from errno import EBUSY
from pathlib import Path
from typing import NamedTuple

from fwhelpers.kernel import cthelper
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.socket import NetlinkSocket
from lab.process import wait_until
from lab.topology import Lab

TABLE = "reference"


class Assignment(NamedTuple):
    """One of conntrackd's helpers and the control connections that are assigned to it."""

    name: str
    l4: str
    port: int
    l3: str = "ip"  #: in nftables' syntax: ip, ip6; inet for the kernel's helpers


RPC = [Assignment("rpc", "udp", 111), Assignment("rpc", "tcp", 111)]

_CONF = """
Helper {{
    Setup yes
{helpers}
}}
General {{
    LockFile /run/lab/conntrackd.lock
    LogFile off
    Syslog off
    UNIX {{
        Path /run/lab/conntrackd.ctl
    }}
}}
"""
_HELPER = """
    Type {name} {inet} {l4} {{
        QueueNum {queue}
        QueueLen 10240
        Policy {name} {{
            ExpectMax 1
            ExpectTimeout 300
        }}
    }}
"""
_OBJECT = """
    ct helper {name}-{l4}-{l3} {{
        type "{name}" protocol {l4}
        l3proto {l3}
    }}
"""
_RULE = """
        {family} {l4} dport {port} ct helper set "{name}-{l4}-{l3}"
"""


def start(lab: Lab, assignments: list[Assignment], queue: int = 100) -> None:
    """Start conntrackd with these helpers and load the rules that assign them."""
    gateway = lab.namespaces["g"]
    remove_helpers(assignments)
    # cleanups run in reverse order: rules, program, then the helpers, to which nothing refers any more
    lab.cleanups.append(lambda: remove_helpers(assignments))
    conf = gateway.path("/run/lab/conntrackd.conf")
    conf.write_text(_CONF.format(helpers="".join(_helpers(assignments, queue))))
    daemon = gateway.popen("conntrackd", "-C", "/run/lab/conntrackd.conf")
    lab.cleanups.append(daemon.stop)
    queues = Path(f"/proc/{gateway.pid}/net/netfilter/nfnetlink_queue")
    wait_until(
        lambda: queues.exists() and len(queues.read_text().splitlines()) == len(assignments),
        "conntrackd's queues",
    )
    lab.cleanups.append(lambda: lab.nft(f"add table inet {TABLE}\ndelete table inet {TABLE}"))
    lab.nft(rules(assignments))


def _helpers(assignments: list[Assignment], queue: int) -> list[str]:
    inet = {"ip": "inet", "ip6": "inet6"}
    return [
        _HELPER.format(name=w.name, inet=inet[w.l3], l4=w.l4, queue=queue + number)
        for number, w in enumerate(assignments)
    ]


def rules(assignments: Sequence[Assignment]) -> str:
    """Return a table that assigns these helpers."""
    families = {"ip": "meta nfproto ipv4", "ip6": "meta nfproto ipv6", "inet": ""}
    objects = "".join(_OBJECT.format(**w._asdict()) for w in assignments)
    rules = "".join(_RULE.format(family=families[w.l3], **w._asdict()) for w in assignments)
    chains = "".join(
        f"chain {hook} {{ type filter hook {hook} priority -150\n{rules} }}\n"
        for hook in ("prerouting", "output")
    )
    return f"table inet {TABLE} {{ {objects}\n {chains} }}"


def remove_helpers(assignments: list[Assignment]) -> None:
    """Remove helpers from the kernel. No rule may refer to them."""
    names = {w.name for w in assignments}
    netlink = NetlinkSocket()
    # the kernel releases references some time after the table or its namespace is deleted
    wait_until(lambda: not _try_to_remove(netlink, names), f"{names} free to be removed")
    netlink.close()


def _try_to_remove(netlink: NetlinkSocket, names: set[str]) -> list[str]:
    busy = []
    for payload in list(netlink.dump(cthelper.encode_dump())):
        helper = cthelper.parse_helper(payload)
        if helper.name not in names:
            continue
        try:
            netlink.request(cthelper.encode_delete(helper))
        except NetlinkError as error:
            if error.errno != EBUSY:
                raise
            busy.append(helper.name)
    return busy
