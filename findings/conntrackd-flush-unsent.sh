#!/bin/bash
# Title: what `conntrackd -F` deletes on one gateway stays in the other gateway's cache, and what conntrack -D deletes does not.
# Version: conntrackd and conntrack 1:1.4.7-1+b2
# Guess: the kernel reports each deletion, and each is sent to the other gateway, whoever deletes.
# Seen: conntrackd forgets its own entries without a message. The other gateway's external cache keeps them, and commits
#       them when it becomes active (2026-11-30). So what was flushed comes back with the next change of roles.
# Here: the notify script of docs/gateways.md empties the caches (`-f`) where it flushes (decision 0126).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs conntrackd=1:1.4.7-1+b2 conntrack=1:1.4.7-1+b2
pair=$(dirname "$(readlink -f "$0")")/conntrackd-pair.bash
cat >"$work/gateways.sh" <<'END'
cd "$1"
. "$2"
cached() { conntrackd -C second.conf -e | grep -q dport=22; }
uncached() { ! cached; }
present() { conntrack -L 2>/dev/null | grep -q dport=22; }
absent() { ! present; }
conntrack -I -p tcp -s 10.0.1.2 -d 10.0.2.2 --sport 701 --dport 22 --state ESTABLISHED -t 300 >/dev/null 2>&1
until_true cached
if [ "$3" = flush ]; then
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
expect "after conntrack -D" "" "$(in_namespace bash "$work/gateways.sh" "$work" "$pair" delete 2>/dev/null)"
expect "after conntrackd -F" "in the cache of the second" "$(in_namespace bash "$work/gateways.sh" "$work" "$pair" flush 2>/dev/null)"
finish
