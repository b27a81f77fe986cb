"""Print what pyroute2 reads in this network namespace, one JSON object a line.

netlink_dump.py connections | addresses
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from typing import Any

from pyroute2 import Conntrack, IPRoute


def connections() -> Iterator[dict[str, Any]]:
    # by default pyroute2 asks for IPv4 only
    with Conntrack(nfgen_family=socket.AF_UNSPEC) as conntrack:
        for entry in conntrack.dump_entries():
            tuples = {}
            for direction in ("orig", "reply"):
                ends = getattr(entry, f"tuple_{direction}")
                tuples[direction] = [ends.saddr, ends.sport, ends.daddr, ends.dport]
            yield {"l4": entry.tuple_orig.proto, "status": entry.status, "id": entry.id, **tuples}


def addresses() -> Iterator[dict[str, Any]]:
    with IPRoute() as route:
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in route.get_links()}
        for message in route.get_addr():
            yield {
                "interface": names[message["index"]],
                "address": message.get_attr("IFA_ADDRESS"),
                "length": message["prefixlen"],
            }


if __name__ == "__main__":
    for row in {"connections": connections, "addresses": addresses}[sys.argv[1]]():
        print(json.dumps(row))
