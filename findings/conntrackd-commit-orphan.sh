#!/bin/bash
# Title: conntrackd does not commit an expected connection whose master has ended, so a helper's data connection is lost.
# Version: conntrackd and conntrack 1:1.4.7-1+b2
# Guess: each connection in the external cache can be committed; which one announced it is history.
# Seen: the kernel looks the master up and answers ENOENT; conntrackd logs "commit-create: No such file or directory" and
#       drops the entry. With the master's entry, in TIME_WAIT even, both are committed (2026-11-30).
# Here: keep_masters = true keeps the entries of control connections while their data connections go on (docs/gateways.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs conntrackd=1:1.4.7-1+b2 conntrack=1:1.4.7-1+b2
cat >"$work/entry.py" <<'END'
"""An established connection to port 2049 with a master at port 111, which exists if the argument says so."""
import socket, struct, sys

def attr(kind, data):
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)

def nest(kind, *parts):
    return attr(kind | 0x8000, b"".join(parts))

def pair(kind, source, target, sport, dport):
    addresses = nest(1, attr(1, socket.inet_aton(source)), attr(2, socket.inet_aton(target)))
    ports = attr(2, struct.pack("!H", sport)), attr(3, struct.pack("!H", dport))
    return nest(kind, addresses, nest(2, attr(1, bytes([6])), *ports))

def create(netlink, sport, dport, state, *more):
    client, server = "10.0.1.2", "10.0.2.2"
    body = b"\x02\0\0\0" + pair(1, client, server, sport, dport) + pair(2, server, client, dport, sport)
    body += attr(3, struct.pack("!I", 14)) + attr(7, struct.pack("!I", 300))
    body += nest(4, nest(1, attr(1, bytes([state])))) + b"".join(more)
    netlink.send(struct.pack("=IHHII", 16 + len(body), 0x100, 0x605, 0, 0) + body)
    error = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
    assert error == 0, error

with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:
    create(netlink, 701, 111, 7)
    create(netlink, 801, 2049, 3, pair(14, "10.0.1.2", "10.0.2.2", 701, 111))
END
pair=$(dirname "$(readlink -f "$0")")/conntrackd-pair.bash
cat >"$work/gateways.sh" <<'END'
cd "$1"
. "$2"
python3 entry.py
cached() { conntrackd -C second.conf -e | grep -q dport=$1; }
until_true cached 2049
if [ "$3" = ended ]; then
    conntrack -D -p tcp --dport 111 >/dev/null 2>&1
    gone() { ! cached 111; }
    until_true gone
fi
conntrackd -C second.conf -c
until_true grep -q "commit has taken" second.log
there conntrack -L 2>/dev/null | grep -oE '[A-Z_]+ src=10.0.1.2 .*dport=(111|2049) src' | awk '{print $1, $5}' | sort
grep -oE 'commit-create.*|[0-9]+ entries can.*' second.log
conntrackd -C first.conf -k
conntrackd -C second.conf -k
kill $peer
END
expect "the master has ended" "commit-create: No such file or directory
1 entries can't be committed" "$(in_namespace bash "$work/gateways.sh" "$work" "$pair" ended 2>&1)"
expect "the master is in TIME_WAIT" "ESTABLISHED dport=2049
TIME_WAIT dport=111" "$(in_namespace bash "$work/gateways.sh" "$work" "$pair" alive 2>&1)"
finish
