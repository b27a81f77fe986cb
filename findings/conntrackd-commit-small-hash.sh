#!/bin/bash
# Title: with HashSize up to 8192, conntrackd -c never ends its commit, and refuses each later -f without an error.
# Version: conntrackd 1:1.4.7-1+b2
# Guess: HashSize is the number of buckets of the caches and concerns speed only; 8192 is a usual value.
# Seen: the commit of connections stays "in progress". So -c commits no expectations, which come after them, and a later
#       -f changes nothing; both end with status 0, and only the log says "ignoring flush command". With 16384 -c commits
#       both and -f works (2026-11-30).
# Here: docs/examples/gateways uses 32768, and `fwhelpers check` reports smaller values.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs conntrackd=1:1.4.7-1+b2
cat >"$work/commit.sh" <<'END'
cd "$1"
ip link set lo up
cat >conf <<CONF
Sync {
    Mode NOTRACK {
        DisableInternalCache Off
        DisableExternalCache Off
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
    HashSize $2
    HashLimit 65536
    LogFile $1/log
    Syslog off
    LockFile $1/lock
    UNIX {
        Path $1/control
    }
}
CONF
rm -f log
conntrackd -C conf >/dev/null 2>&1 &
for _ in $(seq 100); do
    conntrackd -C conf -s >/dev/null 2>&1 && break
    sleep 0.1
done
conntrackd -C conf -c
echo "commit: $?"
for _ in $(seq 100); do
    grep -q 'commit has taken' log && break
    sleep 0.1
done
conntrackd -C conf -f
echo "flush: $?"
conntrackd -C conf -k
wait
grep -oE 'Committed.*|ignoring.*|flushing.*' log
END
expect "HashSize 8192" "commit: 0
flush: 0
Committed 0 new entries
ignoring flush command, commit still in progress" "$(in_namespace bash "$work/commit.sh" "$work" 8192 2>&1)"
expect "HashSize 16384" "commit: 0
flush: 0
Committed 0 new entries
Committed 0 new expectations
flushing caches" "$(in_namespace bash "$work/commit.sh" "$work" 16384 2>&1)"
finish
