"""The cases of the comparison: each protocol of conntrackd's helpers, with real programs where they exist."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import test_tns_path

from lab import clients, scanner, servers, sip
from lab.compare import Case
from lab.compare_discovery import DISCOVERY
from lab.conntrackd import Assignment
from lab.topology import Lab


def _fetch(way: str, family: int) -> Callable[[Lab], bool]:
    return lambda lab: clients.download(lab, way, family, timeout=12).stdout == "served by ftp\n"


def _tftp(lab: Lab, family: int) -> bool:
    return clients.tftp_get(lab, "curl", family, timeout=8).stdout == "served by tftp\n"


def _scan(lab: Lab, family: int) -> bool:
    return scanner.scan(lab, family, timeout=20).stdout == "P5\n"


def _redirected(lab: Lab, form: str) -> bool:
    listener = test_tns_path.start_listener(lab, 4, form)
    client = test_tns_path.connect(lab, lab.target(), timeout=8)
    client.wait()
    listener.stop()
    return "data served by the dispatcher" in client.lines


def _mount(lab: Lab, proto: str, family: int = 4) -> bool:
    done = clients.mount(lab, proto, family, timeout=15)
    worked = done.returncode == 0 and clients.read(lab) == "written by the server\n"
    clients.umount(lab)
    return worked


_FTP_STEPS = [(f"{way}, IPv{family}", _fetch(way, family)) for way, family in clients.FTP_CASES]
_FTP = dict(
    start=servers.start_ftp,
    conntrackd=[Assignment("ftp", "tcp", 21)],
    kernel=[Assignment("ftp", "tcp", 21, "inet")],
    modules=["nf_conntrack_ftp", "nf_nat_ftp"],
    config="[helpers.ftp]\n",
)

_TFTP_STEPS = [(f"read request, IPv{family}", partial(_tftp, family=family)) for family in (4, 6)]
_TFTP = dict(
    start=servers.start_tftp,
    conntrackd=[Assignment("tftp", "udp", 69), Assignment("tftp", "udp", 69, "ip6")],
    kernel=[Assignment("tftp", "udp", 69, "inet")],
    modules=["nf_conntrack_tftp", "nf_nat_tftp"],
    config="[helpers.tftp]\n",
)

_SANE_STEPS = [(f"START, IPv{family}", partial(_scan, family=family)) for family in (4, 6)]
_SANE = dict(
    start=scanner.start_saned,
    conntrackd=[Assignment("sane", "tcp", 6566), Assignment("sane", "tcp", 6566, "ip6")],
    kernel=[Assignment("sane", "tcp", 6566, "inet")],
    modules=["nf_conntrack_sane"],
    config="[helpers.sane]\n",
)


def _open_sip(lab: Lab) -> None:
    for l4 in "udp", "tcp":
        lab.open(l4, sip.PORT)
    sip.count_audio(lab)


def _heard(lab: Lab, l4: str, family: int) -> bool:
    """Return whether both ends of a call hear."""
    before = {ns: sip.arrived(lab, ns) for ns in ("c", "s")}
    callee = sip.start_callee(lab, l4, family)
    done = sip.call(lab, l4, family)
    callee.stop()
    heard = [sip.arrived(lab, ns) - count > sip.ENOUGH for ns, count in before.items()]
    return done.returncode == 0 and all(heard)


_SIP_STEPS = [
    (f"a call over {l4.upper()}, IPv{family}", partial(_heard, l4=l4, family=family))
    for l4, family in (("udp", 4), ("tcp", 4))
]
_SIP = dict(
    start=_open_sip,
    kernel=[Assignment("sip", "udp", sip.PORT, "inet"), Assignment("sip", "tcp", sip.PORT, "inet")],
    modules=["nf_conntrack_sip", "nf_nat_sip"],
    config="[helpers.sip]\n",
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
        conntrackd=[Assignment("rpc", "udp", 111), Assignment("rpc", "tcp", 111)],
        config="[helpers.rpc]\n",
        fixed=frozenset([2049]),
    ),
    Case("TFTP", steps=_TFTP_STEPS, **_TFTP),  # type: ignore[arg-type]
    Case("TFTP, client behind masquerading", steps=_TFTP_STEPS[:1], nat="snat", **_TFTP),  # type: ignore[arg-type]
    Case(
        "Oracle TNS",
        start=lambda lab: lab.open("tcp", 1521),
        steps=[
            ("REDIRECT with the address, IPv4", partial(_redirected, form="one")),
            ("the address in the DATA that follow", partial(_redirected, form="two")),
        ],
        conntrackd=[Assignment("tns", "tcp", 1521)],
        config="[helpers.tns]\n",
    ),
    Case("SANE", steps=_SANE_STEPS, **_SANE),  # type: ignore[arg-type]
    Case("SANE, server behind a translated address", steps=_SANE_STEPS[:1], nat="dnat", **_SANE),  # type: ignore[arg-type]
    *DISCOVERY,
    Case("SIP, client behind masquerading", steps=_SIP_STEPS, nat="snat", **_SIP),  # type: ignore[arg-type]
]
