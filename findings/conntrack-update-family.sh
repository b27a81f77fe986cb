#!/bin/bash
# Title: conntrack -U without a family or an address fails with "Operation not supported" on every table.
# Version: conntrack 1:1.4.7-1+b2; Linux 6.18
# Guess: as -L and -D, which work on both families: all UDP entries get the new mark.
# Seen: -U fails at the first entry, of either family, and changes nothing. With -f ipv4 or -f ipv6, or with an address
#       that implies it, the same command works (2026-11-30).
# Here: nothing in fwhelpers calls conntrack; a script that marks connections has to be run for each family.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs conntrack=1:1.4.7-1+b2
cat >"$work/update.sh" <<'END'
conntrack -I -p udp -s 192.0.2.1 -d 192.0.2.2 --sport 1000 --dport 69 -t 300
[ "$1" = one ] || conntrack -I -p udp -s 2001:db8::1 -d 2001:db8::2 --sport 1000 --dport 69 -t 300
try() { echo "$*: $(conntrack "$@" 2>&1 | grep -oE 'Operation not supported|[0-9]+ flow.*' | sort -u)"; }
try -U -p udp -m 3
try -U -f ipv4 -p udp -m 3
try -U -s 192.0.2.1 -m 4
try -D -p udp
END
expect "IPv4 entry" "-U -p udp -m 3: Operation not supported
-U -f ipv4 -p udp -m 3: 1 flow entries have been updated.
-U -s 192.0.2.1 -m 4: 1 flow entries have been updated.
-D -p udp: 1 flow entries have been deleted." "$(in_namespace sh "$work/update.sh" one 2>/dev/null)"
expect "IPv4 and IPv6" "-U -p udp -m 3: Operation not supported
-U -f ipv4 -p udp -m 3: 1 flow entries have been updated.
-U -s 192.0.2.1 -m 4: 1 flow entries have been updated.
-D -p udp: 2 flow entries have been deleted." "$(in_namespace sh "$work/update.sh" both 2>/dev/null)"
finish
