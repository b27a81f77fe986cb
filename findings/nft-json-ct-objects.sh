#!/bin/bash
# Title: nft does not read its own JSON of connection tracking objects: a timeout policy gets lost, an expectation is an error.
# Version: nftables 1.0.6-2+deb12u2
# Guess: what `nft -j list ruleset` prints can be loaded again with `nft -j -f`, as with text.
# Seen: a helper survives. A timeout object is created with status 0, but without its policy and its l3proto; the
#       kernel's defaults apply. An expectation object is refused with "missing options" (2026-11-30).
# Here: a ruleset with these objects is saved and restored as text.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs python3-nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2
cat >"$work/objects.py" <<'END'
import json

import nftables

OBJECTS = (
    'ct helper h { type "ftp" protocol tcp; l3proto inet; }',
    "ct timeout o { protocol tcp; l3proto ip; policy = { established : 120, close : 4 }; }",
    "ct expectation e { protocol tcp; dport 9876; timeout 2m; size 12; l3proto ip; }",
)
nft = nftables.Nftables()


def listing(json_output):
    nft.set_json_output(json_output)
    output = nft.cmd("list ruleset")[1]
    nft.set_json_output(False)
    return output


for declaration in OBJECTS:
    nft.cmd("flush ruleset")
    assert nft.cmd("table inet t { %s\n}" % declaration)[0] == 0
    text, document = listing(False), json.loads(listing(True))
    nft.cmd("flush ruleset")
    status, _, error = nft.json_cmd(document)
    kind = " ".join(declaration.split()[:2])
    if status:
        print(f"{kind}: {error.splitlines()[0].rpartition(': ')[2]}")
    elif listing(False) == text:
        print(f"{kind}: the same")
    else:
        print(f"{kind}:", " ".join(listing(False).split()[8:-2]))
END
output=$(in_namespace /usr/bin/python3 "$work/objects.py")
expect "loaded from JSON" "ct helper: the same
ct timeout: protocol tcp l3proto inet policy = { }
ct expectation: missing options" "$output"
finish
