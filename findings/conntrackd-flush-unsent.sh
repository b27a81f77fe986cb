#!/bin/bash
# Title: what `conntrackd -F` deletes on one gateway stays in the other gateway's cache, and what conntrack -D deletes does not.
# Version: conntrackd and conntrack 1:1.4.7-1+b2
# Guess: the kernel reports each deletion, and each is sent to the other gateway, whoever deletes.
# Seen: conntrackd forgets its own entries without a message. The other gateway's external cache keeps them, and commits
#       them when it becomes active (2026-11-30). So a flush on the gateway that becomes standby loses nothing.
# Here: the notify script of docs/gateways.md relies on it; decision 0126.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs conntrackd=1:1.4.7-1+b2 conntrack=1:1.4.7-1+b2
cat >"$work/gateways.sh" <<'END'
cd "$1"
configuration() { # NAME OWN OTHER
    cat >"$1.conf" <<CONF
Sync {
    Mode FTFW {
    }
    UDP {
        IPv4_address $2
        IPv4_Destination_Address $3
        Port 3780
        Interface sync
    }
}
General {
    HashSize 32768
    HashLimit 65536
    LogFile $PWD/$1.log
    Syslog off
    LockFile $PWD/$1.lock
    UNIX {
        Path $PWD/$1.control
    }
    Filter From Userspace {
        Address Ignore {
            IPv4_address $2
            IPv4_address $3
        }
    }
}
CONF
}
until_true() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; }
rm -f ./*.log
configuration first 10.0.9.1 10.0.9.2
configuration second 10.0.9.2 10.0.9.1
unshare --net sleep 60 &
peer=$!
there() { nsenter --net="/proc/$peer/ns/net" "$@"; }
apart() { [ "$(readlink /proc/$peer/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; }
until_true apart
ip link add sync type veth peer name sync netns $peer
ip address add 10.0.9.1/24 dev sync && ip link set sync up
there ip address add 10.0.9.2/24 dev sync && there ip link set sync up
conntrackd -C first.conf >/dev/null 2>&1 &
there conntrackd -C second.conf >/dev/null 2>&1 &
until_true conntrackd -C first.conf -s
until_true there conntrackd -C second.conf -s
cached() { conntrackd -C second.conf -e | grep -q dport=22; }
uncached() { ! cached; }
present() { conntrack -L 2>/dev/null | grep -q dport=22; }
absent() { ! present; }
conntrack -I -p tcp -s 10.0.1.2 -d 10.0.2.2 --sport 701 --dport 22 --state ESTABLISHED -t 300 >/dev/null 2>&1
until_true cached
if [ "$2" = flush ]; then
    conntrackd -C first.conf -F >/dev/null 2>&1
    until_true absent
    # a later message that arrives has overtaken none
    conntrack -I -p tcp -s 10.0.1.2 -d 10.0.2.2 --sport 702 --dport 23 --state ESTABLISHED -t 300 >/dev/null 2>&1
    later() { conntrackd -C second.conf -e | grep -q dport=23; }
    until_true later
else
    conntrack -D -p tcp --dport 22 >/dev/null 2>&1
    until_true absent
    until_true uncached
fi
present && echo "in the kernel of the first"
cached && echo "in the cache of the second"
conntrackd -C first.conf -k
conntrackd -C second.conf -k
kill $peer
END
expect "after conntrack -D" "" "$(in_namespace bash "$work/gateways.sh" "$work" delete 2>/dev/null)"
expect "after conntrackd -F" "in the cache of the second" "$(in_namespace bash "$work/gateways.sh" "$work" flush 2>/dev/null)"
finish
