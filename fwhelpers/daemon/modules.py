"""Load the kernel modules that the service stands on."""

from __future__ import annotations

import subprocess

MODULES = ("nf_conntrack_netlink", "nfnetlink_cthelper", "nfnetlink_queue", "nft_ct", "nft_queue")


def load_modules() -> None:
    """Ask for each; what is built in or can't be loaded shows itself when it is used (see kernel/probe)."""
    for module in MODULES:
        try:
            subprocess.run(["modprobe", "-q", module], check=False, capture_output=True)
        except OSError:  # no modprobe here (a container): the host must have loaded them
            return
