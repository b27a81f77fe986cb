"""Print the names of the helpers that are registered with the kernel."""

from __future__ import annotations

from fwhelpers.kernel import cthelper
from fwhelpers.kernel.socket import NetlinkSocket

if __name__ == "__main__":
    for payload in NetlinkSocket().dump(cthelper.encode_dump()):
        print(cthelper.parse_helper(payload).name)
