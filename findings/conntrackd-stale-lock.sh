#!/bin/bash
# Title: conntrackd that was killed does not start again, not even by Debian's unit with Restart=on-failure.
# Version: conntrackd 1:1.4.7-1+b2
# Guess: the lock is released with the process, as flock's is, or the unit removes it.
# Seen: the lock is the file itself (O_EXCL). The next start ends with "lockfile ... exists, perhaps conntrackd already
#       running?" and status 1. The line of the unit that would remove the file is a comment (2026-11-30).
# Here: docs/examples/gateways/conntrackd.service.conf removes it, `fwhelpers check` reports it (docs/gateways.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs conntrackd=1:1.4.7-1+b2
cat >"$work/killed.sh" <<'END'
cd "$1"
cat >conf <<CONF
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
Stats {
    LogFile off
}
CONF
until_true() { for _ in $(seq 100); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; }
conntrackd -C conf >/dev/null 2>&1 &
first=$!
until_true conntrackd -C conf -s
kill -"$2" $first
wait $first 2>/dev/null
conntrackd -C conf >output 2>&1 &
second=$!
ended() { ! kill -0 $second; }
runs_or_ended() { ended || conntrackd -C conf -s; }
until_true runs_or_ended
if ended 2>/dev/null; then
    wait $second
    echo "status $?"
    grep -o "exists, perhaps.*" output
else
    echo runs
    conntrackd -C conf -k
fi
END
expect "after SIGTERM" "runs" "$(in_namespace bash "$work/killed.sh" "$work" TERM 2>/dev/null)"
expect "after SIGKILL" "status 1
exists, perhaps conntrackd already running?" "$(in_namespace bash "$work/killed.sh" "$work" KILL 2>/dev/null)"
expect "the line of Debian's unit" "#ExecStartPre=-/bin/rm -f /var/lock/conntrackd.lock" "$(grep -h ExecStartPre "$work/root/lib/systemd/system/conntrackd.service")"
finish
