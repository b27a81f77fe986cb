#!/bin/bash
# Title: nft's `ct helper != "ftp"` matches no ordinary packet, where iptables' `! --helper ftp` matches each.
# Version: nftables 1.0.6-2+deb12u2, iptables 1.8.9-2 (iptables-nft); Linux 6.18
# Guess: all packets that do not belong to a connection that the ftp helper announced; so iptables-translate takes one
#        for the other.
# Seen: four packets of a ping: iptables counts four, nft none. An expression of nft that has no value ends its rule,
#       and a connection without a master has no helper's name, so that "!=" is not the opposite of "==". "--helper ''",
#       any helper, becomes `ct helper ""`, which nft does not read: "Empty string is not allowed" (2026-11-30).
# Here: `ct helper != "ftp" drop` lets everything through; docs/migration.md names rules that match a helper.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 iptables=1.8.9-2 libxtables12=1.8.9-2
export XTABLES_LIBDIR=$LD_LIBRARY_PATH/xtables
cat >"$work/count.sh" <<'END'
ip link set lo up
iptables-nft -A INPUT -m helper ! --helper ftp || exit
nft add table inet t
nft 'add chain inet t c { type filter hook input priority 0; }'
nft 'add rule inet t c ct helper != "ftp" counter'
ping -c 2 127.0.0.1 >/dev/null
iptables-nft-save -c | grep -oE '^\[[0-9]+:.*INPUT.*'
nft list chain inet t c | grep -oE 'ct helper.* packets [0-9]+'
END
in_namespace sh "$work/count.sh" >"$work/output" 2>"$work/errors" || cannot "$(tail -n 1 "$work/errors")"
expect "counters" '[4:336] -A INPUT -m helper ! --helper ftp
ct helper != "ftp" counter packets 0' "$(cat "$work/output")"
expect "translation" "nft 'add rule ip filter INPUT ct helper != \"ftp\" counter drop'" \
    "$(iptables-translate -A INPUT -m helper ! --helper ftp -j DROP)"
rule=$(iptables-translate -A INPUT -m helper --helper '' -j DROP | sed "s/^nft '//; s/'$//")
expect "any helper" "Error: Empty string is not allowed" \
    "$(in_namespace nft "add table filter; add chain filter INPUT; $rule" 2>&1 | grep -o 'Error: .*')"
finish
