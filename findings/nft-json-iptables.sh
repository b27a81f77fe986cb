#!/bin/bash
# Title: nft's text of a rule made by iptables is translated, its JSON is not, and neither has the comment.
# Version: nftables 1.0.6-2+deb12u2, iptables 1.8.9-2 (iptables-nft)
# Guess: text and JSON describe the same expressions, if only as "xt".
# Seen: the text says `ct helper "ftp"` and `ct state related,established`. The JSON has {"xt": {"type": "match",
#       "name": "helper"}} without its arguments. The text passes over the comment; of the target CT neither
#       shows the helper (2026-11-30).
# Here: firewalld/diagnostics.py exempts the tables of iptables-nft from its search for rules that accept related
#       connections, and does not see helpers that a target CT assigns.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 iptables=1.8.9-2 libxtables12=1.8.9-2 \
    libip4tc2=1.8.9-2 libip6tc2=1.8.9-2
export XTABLES_LIBDIR=$LD_LIBRARY_PATH/xtables
cat >"$work/rules.sh" <<'END'
iptables-nft -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-nft -A FORWARD -m helper --helper ftp -m comment --comment remark -j ACCEPT
iptables-nft -t raw -A PREROUTING -p tcp --dport 21 -j CT --helper ftp
if [ "$1" = text ]; then
    nft -s list ruleset 2>/dev/null | grep -E '(accept|CT)$' | sed 's/^[[:space:]]*//; s/  */ /g'
else
    nft -j list ruleset | python3 -c '
import json, sys
for item in json.load(sys.stdin)["nftables"]:
    for expression in item.get("rule", {}).get("expr", ()):
        if "xt" in expression:
            print(*expression["xt"].values())
'
fi
END
export PATH=$PATH:/usr/sbin
expect "text" 'ct state related,established counter accept
ct helper "ftp" counter accept
tcp dport 21 counter xt target CT' "$(in_namespace sh "$work/rules.sh" text)"
expect "JSON" "match conntrack
match helper
match comment
target CT" "$(in_namespace sh "$work/rules.sh" json)"
finish
