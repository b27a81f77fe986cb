#!/bin/bash
# Title: `conntrackd -f internal` and `-f external` empty a cache of its connections, and leave its expectations.
# Version: conntrackd and conntrack 1:1.4.7-1+b2
# Guess: the manual page says "flush the internal and/or external cache", so one word empties one cache of all.
# Seen: only -f without a word empties the caches of expectations (2026-11-30). Those that have been used meanwhile
#       reach the other gateway again with its next request for everything (-n), and are committed there.
# Here: the notify script of docs/gateways.md uses -f, and `fwhelpers check` reports others; decision 0126.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs conntrackd=1:1.4.7-1+b2 conntrack=1:1.4.7-1+b2
cp "$(dirname "$(readlink -f "$0")")/ctnetlink.py" "$work"
cat >"$work/announce.py" <<'END'
"""A control connection that has the kernel's ftp helper, and an expectation of it."""
import socket
from ctnetlink import CONNECTION, EXPECTATION, attr, connection, create, nest, number, pair

with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:
    create(netlink, CONNECTION, *connection(701, 21, 3, nest(5, attr(1, b"ftp\0"))))
    client, server, ones = "10.0.1.2", "10.0.2.2", "255.255.255.255"
    master, expected = pair(1, client, server, 701, 21), pair(2, client, server, 0, 30000)
    create(netlink, EXPECTATION, master, expected, pair(3, ones, ones, 0, 65535), number(4, 300))
END
cat >"$work/flush.sh" <<'END'
cd "$1"
ip link set lo up
cat >conf <<CONF
Sync {
    Mode FTFW {
    }
    UDP {
        IPv4_address 127.0.0.1
        IPv4_Destination_Address 127.0.0.1
        Port 3780
        Interface lo
    }
    Options {
        ExpectationSync On
    }
}
General {
    HashSize 32768
    HashLimit 65536
    LogFile off
    Syslog off
    LockFile $PWD/lock
    UNIX {
        Path $PWD/control
    }
}
CONF
until_true() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; }
conntrackd -C conf >/dev/null 2>&1 &
until_true conntrackd -C conf -s
python3 announce.py || exit
cached() { conntrackd -C conf -i "$@" | grep -c dport=21; }
both() { [ "$(cached)" = 1 ] && [ "$(cached expect)" = 1 ]; }
until_true both
conntrackd -C conf -f $2
emptied() { [ "$(cached)" = 0 ]; }
until_true emptied
echo "connections $(cached), expectations $(cached expect)"
conntrackd -C conf -k
wait
END
if ! in_namespace python3 "$work/announce.py" >/dev/null 2>&1; then cannot "the kernel's ftp helper is not there"; fi
for word in internal ""; do
    remaining=$([ -n "$word" ] && echo 1 || echo 0)
    expect "after -f $word" "connections 0, expectations $remaining" "$(in_namespace bash "$work/flush.sh" "$work" "$word" 2>&1)"
done
finish
