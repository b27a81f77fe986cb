#!/bin/bash
# Title: nft's JSON monitor gives a deleted ct helper another protocol than it had, and the type "(null)".
# Version: nftables 1.0.6-2+deb12u2; Linux 6.18
# Guess: the JSON of a deletion has the object's name and handle, or the object as it was when it was added.
# Seen: "type": "(null)", "protocol": "ip" and "l3proto": "unknown", after "ftp", "tcp" and "inet" when it was added
#       (2026-11-30).
# Here: fwhelpers takes only the end of each transaction from the kernel's events (kernel/nft_events.py).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2
cat >"$work/rules" <<'END'
table inet t {
    ct helper h { type "ftp" protocol tcp; }
    chain c {
        tcp dport 21 ct helper set "h"
    }
}
END
cat >"$work/monitor.sh" <<'END'
cd "$1" || exit
nft -f - <rules && nft delete table inet t || exit
stdbuf -oL nft -j monitor >json &
json=$!
until [ -s json ]; do  # until it listens
    nft add table inet ready && nft delete table inet ready
    sleep 0.1
done
nft -f rules
nft delete chain inet t c
nft delete ct helper inet t h
nft add table inet done
until grep -q done json; do sleep 0.1; done
kill $json
END
in_namespace timeout 60 sh "$work/monitor.sh" "$work" >"$work/output" 2>&1 || cannot "$(tail -n 1 "$work/output")"
fields() { grep "\"$1\": {\"ct helper\"" "$work/json" | grep -oE '"(type|protocol|l3proto)": "[^"]*"' | tr '\n' ' '; }
expect "added" '"type": "ftp" "protocol": "tcp" "l3proto": "inet" ' "$(fields add)"
expect "deleted" '"type": "(null)" "protocol": "ip" "l3proto": "unknown" ' "$(fields delete)"
finish
