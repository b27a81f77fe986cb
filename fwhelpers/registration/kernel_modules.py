"""Loads the kernel modules that the service needs."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

MODULES = ("nf_conntrack_netlink", "nfnetlink_cthelper", "nfnetlink_queue", "nft_ct", "nft_queue")


def load_modules(loaded: Path = Path("/sys/module")) -> None:
    """Errors are ignored: they show when a module is used (see kernel/probe)."""
    missing = [module for module in MODULES if not (loaded / module).exists()]
    # without modprobe (a container) the host must have loaded them
    with suppress(OSError):
        if missing:
            subprocess.run(["modprobe", "-q", "-a", *missing], check=False, capture_output=True)
