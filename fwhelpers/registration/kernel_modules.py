"""Load the kernel modules that the service stands on."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

MODULES = ("nf_conntrack_netlink", "nfnetlink_cthelper", "nfnetlink_queue", "nft_ct", "nft_queue")


def load_modules(loaded: Path = Path("/sys/module")) -> None:
    """Ask for those that are not there; what can't be loaded shows itself when it is used (see kernel/probe)."""
    missing = [module for module in MODULES if not (loaded / module).exists()]
    # without modprobe (a container) the host must have loaded them
    with suppress(OSError):
        if missing:
            subprocess.run(["modprobe", "-q", "-a", *missing], check=False, capture_output=True)
