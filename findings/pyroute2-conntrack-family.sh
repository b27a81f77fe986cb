#!/bin/bash
# Title: pyroute2's Conntrack().dump_entries() returns IPv4 entries only, count() counts all.
# Version: pyroute2 0.9.7
# Guess: dump_entries() without a filter returns every entry, so that its length is count().
# Seen: the request has nfgen_family AF_INET by default; AF_UNSPEC returns both (2026-11-28).
# Here: tests/support/programs/netlink_dump.py passes AF_UNSPEC.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips pyroute2==0.9.7
command -v nft >/dev/null || cannot "nft is missing"
cat >"$work/family.py" <<'END'
import socket
import subprocess

from pyroute2 import Conntrack

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
rules = "table inet t {\n chain c {\n  type filter hook output priority 0\n  ct state new accept\n }\n}\n"
subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
for address, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
    with socket.create_server((address, 0), family=family) as server:
        socket.create_connection(server.getsockname()[:2]).close()

for title, options in (("default", {}), ("AF_UNSPEC", {"nfgen_family": socket.AF_UNSPEC})):
    with Conntrack(**options) as conntrack:
        sources = sorted(entry.tuple_orig.saddr for entry in conntrack.dump_entries())
        print(f"{title}: {' '.join(sources)}; count {conntrack.count()}")
END
output=$(in_namespace "$python" "$work/family.py")
expect "entries of 127.0.0.1 and ::1" "default: 127.0.0.1; count 2
AF_UNSPEC: 127.0.0.1 ::1; count 2" "$output"
finish
