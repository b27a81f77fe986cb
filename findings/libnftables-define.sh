#!/bin/bash
# Title: libnftables keeps `define` from one command to the next, so that the same text works only once.
# Version: python3-nftables, libnftables1 1.0.6-2+deb12u2
# Guess: each cmd() reads its text as `nft -f` reads a file: a variable is unknown before and after.
# Seen: cmd() with a `define` works; again it fails with "redefinition of symbol 'p'", also by `include`. A later
#       cmd() knows $p, and `redefine` changes it for all that follow (2026-11-30).
# Here: a service that reloads a file of rules through one Nftables() object fails with the second load. fwhelpers'
#       rules have no variables.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs libnftables1=1.0.6-2+deb12u2 python3-nftables=1.0.6-2+deb12u2
cat >"$work/twice.py" <<'END'
import sys

from nftables import Nftables

RULES = "define p = 21\nadd table inet t\nadd chain inet t c\nadd rule inet t c tcp dport $p accept\n"
file = f"{sys.argv[1]}/rules"
with open(file, "w") as rules:
    rules.write(RULES)


def run(nft, command):
    status, _, error = nft.cmd(command)
    print(status, *[line for line in error.splitlines() if "Error" in line])


one = Nftables()
run(one, RULES)
run(one, RULES)
run(one, "add rule inet t c tcp dport $p drop")
run(Nftables(), "add rule inet t c tcp dport $p drop")
two = Nftables()
run(two, f'include "{file}"')
run(two, f'include "{file}"')
END
output=$(in_namespace /usr/bin/python3 "$work/twice.py" "$work" | sed "s|$work|DIR|")
expect "status and error" "0
-1 Error: redefinition of symbol 'p'
0
-1 Error: unknown identifier 'p'
0
-1 DIR/rules:1:8-8: Error: redefinition of symbol 'p'" "$output"
finish
