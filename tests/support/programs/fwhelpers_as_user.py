"""The command fwhelpers, in a kernel that answers no unprivileged user.

The tests' bus lets root alone see addresses, and root would see this machine's rules.
"""

from __future__ import annotations

import sys

from fwhelpers.cli.explain import sources
from fwhelpers.cli.main import main
from fwhelpers.kernel.nfnl import NetlinkError


class Socket:
    def __init__(self) -> None:
        raise NetlinkError(1, "open a netlink socket")


class Kernel:
    def is_loaded(self, _module: str) -> bool:
        return False


sources.NetlinkSocket = Socket  # type: ignore[misc, assignment]
sources.has_net_admin = lambda: False
sources.Kernel = Kernel  # type: ignore[misc, assignment]
sys.exit(main(sys.argv[1:]))
