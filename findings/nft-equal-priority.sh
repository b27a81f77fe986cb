#!/bin/bash
# Title: Of two nftables chains with the same hook and priority, the one loaded last sees each packet first.
# Version: nftables 1.0.6-2+deb12u2; Linux 6.18 (net/netfilter/core.c: nf_hook_entries_grow)
# Guess: the one loaded first, as rules are appended to a chain; or the order of the tables in `nft list ruleset`.
# Seen: with tables a and b loaded in this order, b is first; after a was deleted and loaded again, a is. A firewall that
#       reloads its table therefore passes the others of its priority (2026-11-30).
# Here: the first `ct helper set` decides. `fwhelpers check` reports another table's at our priority.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2
cat >"$work/try" <<'END_TRY'
ip link set lo up
load() { # NAME DIGIT: appends the digit to the packet's mark
    nft -f - <<RULES
table inet $1 {
    chain c {
        type filter hook output priority -150
        meta mark set meta mark lshift 4
        meta mark set meta mark or $2
    }
}
RULES
}
first() {
    nft add table inet z
    nft 'add chain inet z c { type filter hook output priority 0; }'
    nft add rule inet z c meta mark 0x12 counter comment a
    nft add rule inet z c meta mark 0x21 counter comment b
    ping -c 1 127.0.0.1 >/dev/null
    nft list table inet z | grep -v 'packets 0' | grep -oP 'comment "\K.'
    nft delete table inet z
}
load a 1 && load b 2 || exit
first
nft delete table inet a
load a 1
first
END_TRY
order=$(in_namespace bash "$work/try" 2>"$work/errors") || cannot "$(tail -n 1 "$work/errors")"
expect "first of a, b; then after a was loaded again" $'b\na' "$(uniq <<<"$order")"
finish
