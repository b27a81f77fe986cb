#!/bin/bash
# Title: conntrack -L -o save leaves out connection marks, so that conntrack -R restores entries without them.
# Version: conntrack 1:1.4.7-1+b2
# Guess: like iptables-save, the output holds all that -R needs to restore an entry: zone, timeout, status and mark.
# Seen: zone, timeout, state and status are there, the mark is not; no warning (2026-11-30).
# Here: policy routing and rules by `ct mark` do not survive this way of saving. Renewal of an entry keeps the mark.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs conntrack=1:1.4.7-1+b2
cat >"$work/save.sh" <<'END'
conntrack -I -p tcp -s 192.0.2.1 -d 192.0.2.2 --sport 1000 --dport 21 -t 3000 --state ESTABLISHED \
    -u SEEN_REPLY,ASSURED -m 5 -w 7
show() { conntrack -L | grep -oE '\[ASSURED\].*(mark|zone)=[0-9]+' | sed "s/^/$1 /"; }
show before
conntrack -L -o save | grep ^-A >"$1/saved"
conntrack -F
conntrack -R "$1/saved"
show restored
END
expect "entry" "before [ASSURED] mark=5 zone=7
restored [ASSURED] mark=0 zone=7" "$(in_namespace sh "$work/save.sh" "$work" 2>/dev/null)"
finish
