"""Tests the kernel features that the service needs and explains missing ones. Leaves nothing behind."""

from __future__ import annotations

import errno
import platform
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fwhelpers.kernel import conntrack, cthelper, expect, privileges
from fwhelpers.kernel.features import Kernel, Requirement
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import Nft, NftError
from fwhelpers.kernel.socket import NetlinkSocket, QueueSocket
from fwhelpers.kernel.syscalls import MACHINES

_CAP_NET_ADMIN = 12
_STATUS = Path("/proc/self/status")
_HELPERS_DIRECTORY = Path("/sys/module")

#: modules of kernel helpers for the same protocols as ours
KERNEL_HELPERS = ("nf_conntrack_ftp",)


class Finding(NamedTuple):
    """The result of one check."""

    name: str
    ok: bool
    detail: str = ""
    hint: str = ""


def probe() -> list[Finding]:
    if not has_net_admin():
        hint = "run as root, or with the capability CAP_NET_ADMIN in the initial user namespace"
        return [
            Finding(
                "rights", False, "CAP_NET_ADMIN is missing; the kernel checks were skipped", hint
            )
        ]
    return [
        Finding("rights", True, "CAP_NET_ADMIN"),
        _dump("conntrack over netlink", conntrack.encode_dump(), _CTNETLINK),
        _dump("expectations over netlink", expect.encode_dump(), _CTNETLINK),
        _dump("user-space helpers", cthelper.encode_dump(), _CTHELPER),
        _attempt("queue with conntrack", _queue, _queue_hint),
        *_rules(),
        *_kernel_helpers(),
        _confinement(),
    ]


def has_net_admin() -> bool:
    """True if this process has CAP_NET_ADMIN in effect."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_NET_ADMIN & 1)
    return False


_CTNETLINK = Requirement("NF_CT_NETLINK", "nf_conntrack_netlink")
_CTHELPER = Requirement("NF_CT_NETLINK_HELPER", "nfnetlink_cthelper")
_QUEUE = (
    Requirement("NETFILTER_NETLINK_QUEUE", "nfnetlink_queue"),
    Requirement("NETFILTER_NETLINK_GLUE_CT"),
)
_TABLES = (
    Requirement("NF_TABLES", "nf_tables"),
    Requirement("NF_TABLES_INET"),
)

_RULES = (
    ("nftables queue statement", "queue flags bypass to 65531", Requirement("NFT_QUEUE", "nft_queue")),
    ("nftables conntrack labels", "ct label 127 ct label set 126", Requirement("NFT_CT", "nft_ct")),
    ("nftables payload match", "meta l4proto tcp @ih,0,8 0x0-0xff", None),
    ("nftables route lookup", "fib daddr type local", Requirement("NFT_FIB_INET", "nft_fib_inet")),
)  # fmt: skip


def _dump(name: str, message: bytes, requirement: Requirement) -> Finding:
    def attempt() -> None:
        netlink = NetlinkSocket()
        try:
            list(netlink.dump(message, "dump over netlink"))
        finally:
            netlink.close()

    return _attempt(name, attempt, lambda _: Kernel().explain([requirement]))


def _queue() -> None:
    sock = QueueSocket()
    try:
        sock.bind(65531)
    finally:
        sock.close()


def _queue_hint(error: Exception) -> str:
    if isinstance(error, NetlinkError) and error.errno == errno.EBUSY:
        return "another program uses queue 65531, which this check needs"
    return Kernel().explain(_QUEUE)


def _rules() -> list[Finding]:
    # without libnftables every rule would fail for the same reason
    binding = _attempt("nftables", lambda: Nft().close(), lambda _: "")
    return [_nft(*rule) for rule in _RULES] if binding.ok else [binding]


def _nft(name: str, rule: str, requirement: Requirement | None) -> Finding:
    def attempt() -> None:
        nft = Nft()
        try:
            nft.check(
                "table inet fwhelpers_probe {\nflags owner\nchain probe {\n"
                f"type filter hook postrouting priority 290;\n{rule}\n}}\n}}\n"
            )
        finally:
            nft.close()

    return _attempt(name, attempt, lambda error: rule_hint(str(error), requirement, Kernel()))


def rule_hint(error: str, requirement: Requirement | None, kernel: Kernel) -> str:
    """Return the cause of a refused rule as far as it is certain."""
    if "syntax error" in error:
        return "this version of nftables cannot parse the rule; 1.0.6 or later can"
    if kernel.is_older_than(5, 16):  # NFT_PAYLOAD_INNER_HEADER; table owners came in 5.12
        return f"kernel {kernel.release} is too old; 5.16 or later is required"
    return kernel.explain((*_TABLES, *([requirement] if requirement else ())))


def _attempt(name: str, attempt: Callable[[], None], hint: Callable[[Exception], str]) -> Finding:
    try:
        attempt()
    except (OSError, NftError) as error:
        return Finding(name, False, str(error), hint(error))
    return Finding(name, True)


def _confinement() -> Finding:
    version = privileges.landlock_version()
    filters = platform.machine() in MACHINES
    parts = [
        f"Landlock {version}" if version else "no Landlock (add it to the kernel's lsm=)",
        "seccomp" if filters else f"no seccomp filter for {platform.machine()}",
    ]
    return Finding("confinement of workers", True, ", ".join(parts))


def _kernel_helpers() -> list[Finding]:
    loaded = [name for name in KERNEL_HELPERS if (_HELPERS_DIRECTORY / name).exists()]
    return [
        Finding(
            f"kernel helper {name}",
            True,
            "loaded; connections that other rules assign to it keep it",
        )
        for name in loaded
    ]
