"""Loads the kernel modules that the service needs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from fwhelpers.api import Helper

MODULES = ("nf_conntrack_netlink", "nfnetlink_cthelper", "nfnetlink_queue", "nft_ct", "nft_queue")

#: translates the connections of third parties (`engine.nat`). It brings the kernel's own helper for SIP, which inspects
#: nothing unless a rule assigns it
THIRD_PARTY_MODULE = "nf_nat_sip"


def load_modules(
    third_parties: bool = False,
    helpers: Iterable[Helper] = (),
    loaded: Path = Path("/sys/module"),
) -> None:
    """Load the modules that are missing. Errors are ignored: they show when a module is used (see kernel/probe).

    `third_parties`: a helper may expect connections from or to hosts that only its messages name. `helpers`: those
    whose protocol is the kernel's own helper's.
    """
    modules = [*MODULES, *([THIRD_PARTY_MODULE] if third_parties else [])]
    for kernel in (kernel for helper in helpers for kernel in helper.kernel):
        modules += [kernel.module, *([kernel.nat] if kernel.nat else [])]
    missing = [module for module in dict.fromkeys(modules) if not (loaded / module).exists()]
    # without modprobe (a container) the host must have loaded them
    with suppress(OSError):
        if missing:
            subprocess.run(["modprobe", "-q", "-a", *missing], check=False, capture_output=True)
