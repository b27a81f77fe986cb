#!/bin/bash
# Title: nft's `ct helper set` has no effect at the priority raw, where iptables assigns helpers, and nothing says so.
# Version: nftables 1.0.6-2+deb12u2, iptables 1.8.9-2 (iptables-nft); Linux 6.18 (nft_ct.c: nft_ct_helper_obj_eval)
# Guess: both assign the helper, as `-t raw -j CT --helper` is the documented way and raw is its priority in nft; or nft
#        refuses the rule.
# Seen: the connection has the helper with iptables at -300 and with nft at -199, none with nft at -300. CT attaches a
#       template that conntrack copies; nft looks for the connection, which does not exist yet (2026-11-30).
# Here: `fwhelpers check` reports such rules, and reads iptables' own (check_iptables.py).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 iptables=1.8.9-2 libxtables12=1.8.9-2 \
    libip4tc2=1.8.9-2 libip6tc2=1.8.9-2 conntrack libnetfilter-conntrack3 libnfnetlink0
export XTABLES_LIBDIR=$LD_LIBRARY_PATH/xtables
cat >"$work/connect.py" <<'END_PY'
import socket

server = socket.create_server(("127.0.0.1", 2121))
client = socket.create_connection(("127.0.0.1", 2121))
END_PY
cat >"$work/try" <<'END_TRY'
ip link set lo up
connect() { # TITLE: prints the helper of a new connection
    nft add table ip track
    nft 'add chain ip track c { type filter hook input priority 0; }'
    nft add rule ip track c ct state new accept
    python3 "$2/connect.py" || exit 2
    echo "$1: $(conntrack -L -p tcp --dport 2121 2>/dev/null | grep -oP 'helper=\K\S+' | sort -u)"
    conntrack -F 2>/dev/null
    nft flush ruleset
}
for priority in -300 -199; do
    nft -f - <<RULES || exit 2
table ip x {
    ct helper f {
        type "ftp" protocol tcp
    }
    chain c {
        type filter hook output priority $priority
        tcp dport 2121 ct helper set "f"
    }
}
RULES
    connect "nft at $priority" "$1"
done
iptables-nft -t raw -A OUTPUT -p tcp --dport 2121 -j CT --helper ftp || exit 2
connect "iptables at -300" "$1"
END_TRY
helpers=$(in_namespace bash "$work/try" "$work" 2>"$work/errors") || cannot "$(tail -n 1 "$work/errors")"
expect "helper of the connection" "nft at -300: 
nft at -199: ftp
iptables at -300: ftp" "$helpers"
finish
