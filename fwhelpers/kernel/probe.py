"""Checks the kernel's features and reports missing ones with a hint. Changes nothing."""

from __future__ import annotations

import errno
import platform
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fwhelpers.kernel import conntrack, cthelper, expect, privileges
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import Nft, NftError
from fwhelpers.kernel.socket import NetlinkSocket, QueueSocket
from fwhelpers.kernel.syscalls import MACHINES

_CAP_NET_ADMIN = 12
_STATUS = Path("/proc/self/status")
_HELPERS_DIRECTORY = Path("/sys/module")

#: modules of kernel helpers that may inspect the same connections as ours
KERNEL_HELPERS = ("nf_conntrack_ftp",)


class Finding(NamedTuple):
    """The result of one check."""

    name: str
    ok: bool
    detail: str = ""
    hint: str = ""


def probe() -> list[Finding]:
    """Check everything that the service needs."""
    if not has_net_admin():
        hint = "run as root, or with the capability CAP_NET_ADMIN in the initial user namespace"
        return [
            Finding("rights", False, "CAP_NET_ADMIN is missing; nothing else was checked", hint)
        ]
    return [
        Finding("rights", True, "CAP_NET_ADMIN"),
        _dump("conntrack over netlink", conntrack.encode_dump(), "nf_conntrack_netlink"),
        _dump("expectations over netlink", expect.encode_dump(), "nf_conntrack_netlink"),
        _dump("user-space helpers", cthelper.encode_dump(), "nfnetlink_cthelper"),
        _attempt("queue with conntrack", _queue, _queue_hint),
        *_rules(),
        *_kernel_helpers(),
        _confinement(),
    ]


def has_net_admin() -> bool:
    """Return whether CAP_NET_ADMIN is effective in this process."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_NET_ADMIN & 1)
    return False


_RULES = (
    ("nftables queue statement", "queue flags bypass to 65531"),
    ("nftables conntrack labels", "ct label 127 ct label set 126"),
    ("nftables payload match", "meta l4proto tcp @ih,0,8 0x0-0xff"),
)


def _dump(name: str, message: bytes, module: str) -> Finding:
    def attempt() -> None:
        netlink = NetlinkSocket()
        try:
            list(netlink.dump(message, "dump over netlink"))
        finally:
            netlink.close()

    return _attempt(
        name, attempt, lambda _: f"modprobe {module}; the kernel must provide this module"
    )


def _queue() -> None:
    sock = QueueSocket()
    try:
        sock.bind(65531)
    finally:
        sock.close()


def _queue_hint(error: Exception) -> str:
    if isinstance(error, NetlinkError) and error.errno == errno.EBUSY:
        return "another program uses queue 65531, which this check needs"
    return "modprobe nfnetlink_queue; the kernel needs NETFILTER_NETLINK_GLUE_CT (Debian's and Fedora's have it)"


def _rules() -> list[Finding]:
    # without libnftables every rule would fail, with a hint to a newer kernel
    binding = _attempt("nftables", lambda: Nft().close(), lambda _: "")
    return [_nft(name, rule) for name, rule in _RULES] if binding.ok else [binding]


def _nft(name: str, rule: str) -> Finding:
    def attempt() -> None:
        nft = Nft()
        try:
            nft.check(
                "table inet fwhelpers_probe {\nflags owner\nchain probe {\n"
                f"type filter hook postrouting priority 290;\n{rule}\n}}\n}}\n"
            )
        finally:
            nft.close()

    return _attempt(name, attempt, lambda _: "needs Linux 5.12 and nftables 1.0.6 or later")


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
            "loaded; connections to which other rules assign it are not inspected by fwhelpers",
        )
        for name in loaded
    ]
