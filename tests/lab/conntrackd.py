"""conntrackd with its user-space helpers on the gateway: what ours is compared with.

Helpers belong to the machine, not to the network namespace, and conntrackd refuses to start where one of a name that
it wants is registered otherwise. So those that an earlier lab left (ours stay registered on purpose) are removed first,
and all that is started here is taken away with the lab, whatever happens in between.
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


class Wanted(NamedTuple):
    """One of conntrackd's helpers and the control connections that it gets."""

    name: str
    l4: str
    port: int
    l3: str = "ip"  #: nftables' word (ip, ip6; inet for the kernel's own helpers)


RPC = [Wanted("rpc", "udp", 111), Wanted("rpc", "tcp", 111)]

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


def start(lab: Lab, wanted: list[Wanted], queue: int = 100) -> None:
    """Start it with these helpers, assigned and in force; the lab's end removes all."""
    gateway = lab.namespaces["g"]
    remove_helpers(wanted)
    # taken from the end: first the rules go, then the program, and then nothing refers to its helpers
    lab.cleanups.append(lambda: remove_helpers(wanted))
    conf = gateway.path("/run/lab/conntrackd.conf")
    conf.write_text(_CONF.format(helpers="".join(_helpers(wanted, queue))))
    daemon = gateway.popen("conntrackd", "-C", "/run/lab/conntrackd.conf")
    lab.cleanups.append(daemon.stop)
    queues = Path(f"/proc/{gateway.pid}/net/netfilter/nfnetlink_queue")
    wait_until(
        lambda: queues.exists() and len(queues.read_text().splitlines()) == len(wanted),
        "conntrackd's queues",
    )
    lab.cleanups.append(lambda: lab.nft(f"add table inet {TABLE}\ndelete table inet {TABLE}"))
    lab.nft(rules(wanted))


def _helpers(wanted: list[Wanted], queue: int) -> list[str]:
    inet = {"ip": "inet", "ip6": "inet6"}
    return [
        _HELPER.format(name=w.name, inet=inet[w.l3], l4=w.l4, queue=queue + number)
        for number, w in enumerate(wanted)
    ]


def rules(wanted: Sequence[Wanted]) -> str:
    """A table that gives these helpers their control connections."""
    families = {"ip": "meta nfproto ipv4", "ip6": "meta nfproto ipv6", "inet": ""}
    objects = "".join(_OBJECT.format(**w._asdict()) for w in wanted)
    rules = "".join(_RULE.format(family=families[w.l3], **w._asdict()) for w in wanted)
    chains = "".join(
        f"chain {hook} {{ type filter hook {hook} priority -150\n{rules} }}\n"
        for hook in ("prerouting", "output")
    )
    return f"table inet {TABLE} {{ {objects}\n {chains} }}"


def remove_helpers(wanted: list[Wanted]) -> None:
    """Remove these from the kernel; what refers to them must be gone, or go at once."""
    names = {w.name for w in wanted}
    netlink = NetlinkSocket()
    # the kernel drops a table's references some time after the table, or the namespace that it was in
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
