#!/bin/bash
# Title: nft -o merges rules by `ct helper` into a set that nft itself refuses, so that a valid ruleset is not loaded.
# Version: nftables 1.0.6-2+deb12u2
# Guess: an optimizer merges what can be merged, as two rules by `ct state`, and leaves other rules as they are.
# Seen: `ct state related ct helper "ftp" accept` and the same for "tftp" become `ct state . ct helper { related . ftp,
#       ... }`, and that ends with "can not use variable sized data types (string) in concat expressions", of the rule
#       in the file, which loads without -o (2026-11-30).
# Here: rules that let in each helper's related connections have this form (docs/migration.md): load them without -o.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2
cat >"$work/rules" <<'END'
table inet t {
    chain c {
        ct state related ct helper "ftp" accept
        ct state related ct helper "tftp" accept
    }
}
END
load() {
    in_namespace nft "$@" -f "$work/rules" 2>&1 | grep -oE '^.ct state .*|Error: .*'
    echo "status ${PIPESTATUS[0]}"
}
expect "without -o" "status 0" "$(load)"
expect "with -o" '	ct state . ct helper { related . ftp, related . tftp } accept
Error: can not use variable sized data types (string) in concat expressions
status 1' "$(load -o)"
finish
