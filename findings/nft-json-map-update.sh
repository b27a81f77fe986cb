#!/bin/bash
# Title: in nft's JSON a rule that adds to a map is a plain string among the expressions.
# Version: nftables 1.0.6-2+deb12u2
# Guess: {"map": {"op": "update", ...}}, like the {"set": ...} of a rule that adds to a set.
# Seen: a warning on standard error, and "expr": ["update @m { ... }"], the rule's text. nft does not read that, so
#       that such a ruleset cannot be restored from JSON (2026-11-30).
# Here: a reader of "expr" meets strings: cli/explain/rule_walk.py and firewalld/diagnostics.py pass over them.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2
cat >"$work/map.nft" <<'END'
table ip t {
    map m { type ipv4_addr : mark; size 100; flags dynamic,timeout; timeout 1m; }
    set s { type ipv4_addr; size 100; flags dynamic,timeout; timeout 1m; }
    chain c {
        update @s { ip saddr }
        update @m { ip saddr : 5 }
    }
}
END
cat >"$work/expressions.py" <<'END'
import json
import sys

for item in json.load(sys.stdin)["nftables"]:
    for expression in item.get("rule", {}).get("expr", ()):
        print(type(expression).__name__, expression if isinstance(expression, str) else list(expression))
END
cat >"$work/restore.sh" <<'END'
nft -f "$1/map.nft" && nft -j list ruleset >"$1/map.json" 2>"$1/errors"
cat "$1/errors"
python3 "$1/expressions.py" <"$1/map.json"
nft flush ruleset
nft -j -f "$1/map.json" 2>&1 | head -n 1 | sed 's/.*Error/Error/'
END
output=$(in_namespace sh "$work/restore.sh" "$work")
expect "output" "warning: stmt ops map have no json callback
dict ['set']
str update @m { ip saddr : 0x00000005 }
Error: Unexpected expr array element of type string, expected object." "$output"
finish
