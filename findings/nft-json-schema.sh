#!/bin/bash
# Title: json_validate() of nftables' Python binding accepts commands that nft rejects.
# Version: python3-nftables 1.0.6-2+deb12u2, jsonschema 4.23.0
# Guess: validation against the shipped schema.json rejects unknown commands and objects.
# Seen: it checks that "nftables" is an array, not what is in it (2026-11-28).
# Here: a test of generated JSON needs `nft --check`, not the schema.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs python3-nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2
pips jsonschema==4.23.0
cat >"$work/schema.py" <<'END'
import nftables

nft = nftables.Nftables()
for command in ({"fetch": {}}, {"add": {"tabel": {"family": "inet", "name": "x"}}}):
    document = {"nftables": [command]}
    valid = nft.json_validate(document)
    status, _, _ = nft.json_cmd(document)
    print(f"{next(iter(command))}: valid {valid}, status {status}")
END
output=$(in_namespace "$python" "$work/schema.py")
expect "schema and nft" "fetch: valid True, status -1
add: valid True, status -1" "$output"
finish
