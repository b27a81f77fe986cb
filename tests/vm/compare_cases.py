"""What is compared: each protocol that the reference helps, with real programs; and why ours differs where it does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import clients
import servers
from compare import Case
from lab import Lab
from reference import Wanted


def _fetch(way: str, family: int) -> Callable[[Lab], bool]:
    return lambda lab: clients.download(lab, way, family, timeout=12).stdout == "served by ftp\n"


def _mount(lab: Lab, proto: str, family: int = 4) -> bool:
    done = clients.mount(lab, proto, family, timeout=15)
    worked = done.returncode == 0 and clients.read(lab) == "written by the server\n"
    clients.umount(lab)
    return worked


_FTP_STEPS = [(f"{way}, IPv{family}", _fetch(way, family)) for way, family in clients.FTP_CASES]
_FTP = dict(
    start=servers.start_ftp,
    conntrackd=[Wanted("ftp", "tcp", 21)],
    kernel=[Wanted("ftp", "tcp", 21, "inet")],
    modules=["nf_conntrack_ftp", "nf_nat_ftp"],
    config="[helpers.ftp]\n",
)

CASES = [
    Case("FTP", steps=_FTP_STEPS, **_FTP),  # type: ignore[arg-type]
    Case("FTP, client behind masquerading", steps=_FTP_STEPS[:4], nat="snat", **_FTP),  # type: ignore[arg-type]
    Case(
        "NFSv3 (portmapper)",
        start=servers.start_nfs,
        steps=[
            ("mount by UDP, IPv4", partial(_mount, proto="udp")),
            ("mount by TCP, IPv4", partial(_mount, proto="tcp")),
            ("mount by TCP, IPv6 (rpcbind 4)", partial(_mount, proto="tcp", family=6)),
        ],
        conntrackd=[Wanted("rpc", "udp", 111), Wanted("rpc", "tcp", 111)],
        config="[helpers.rpc]\n",
        fixed=frozenset([2049]),
    ),
]

#: (case, announcement, candidate, field) → why ours is not the same; * is any. `works` and `holes` are fields too
REASONS: dict[tuple[str, str, str, str], str] = {
    (
        "FTP*",
        "*",
        "*",
        "timeout",
    ): "a data connection comes within seconds; 300 s is the one value for everything",
    ("NFS*", "*", "*", "timeout"): "the client connects at once, and asks again for its next mount",
    ("FTP*", "EPSV*", "conntrackd", "*"): (
        "a bug of the reference: it compares the server's reply with the address of the other direction, "
        "so that an EPSV never opens anything"
    ),
    ("FTP", "EPRT, IPv6", "conntrackd", "*"): "a bug of the reference: its parser knows IPv4 only",
    ("FTP, client*", "*RT, IPv4", "conntrackd", "works"): (
        "a bug of the reference: its expectation carries no translation, so the data connection ends at the gateway"
    ),
    (
        "NFS*",
        "*IPv6*",
        "conntrackd",
        "*",
    ): "the reference knows version 2 of the portmapper, thus IPv4, only",
}
