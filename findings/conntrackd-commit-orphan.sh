#!/bin/bash
# Title: conntrackd does not commit an expected connection whose master has ended, so a helper's data connection is lost.
# Version: conntrackd and conntrack 1:1.4.7-1+b2
# Guess: each connection in the external cache can be committed; which one announced it is history.
# Seen: the kernel looks the master up and answers ENOENT; conntrackd logs "commit-create: No such file or directory" and
#       drops the entry. With the master's entry, in TIME_WAIT even, both are committed (2026-11-30).
# Here: keep_masters = true keeps the entries of control connections while their data connections go on (docs/gateways.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs conntrackd=1:1.4.7-1+b2 conntrack=1:1.4.7-1+b2
cp "$(dirname "$(readlink -f "$0")")/ctnetlink.py" "$work"
cat >"$work/entry.py" <<'END'
"""An established connection to port 2049 with a master at port 111, which exists if the argument says so."""
import socket
from ctnetlink import CONNECTION, connection, create, pair

with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:
    create(netlink, CONNECTION, *connection(701, 111, 7))
    create(netlink, CONNECTION, *connection(801, 2049, 3, pair(14, "10.0.1.2", "10.0.2.2", 701, 111)))
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
