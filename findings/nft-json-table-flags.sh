#!/bin/bash
# Title: nft accepts table flags in JSON input and ignores them without an error.
# Version: nftables 1.0.6-2+deb12u2, python3-nftables
# Guess: {"table": {..., "flags": ["owner"]}} creates a table with an owner; an unknown flag is an error.
# Seen: status 0 for any flags, and a table without flags (2026-11-28). The text syntax works.
# Here: fwhelpers loads its tables as text, so that `flags owner` is effective.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs python3-nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2
cat >"$work/flags.py" <<'END'
import nftables

nft = nftables.Nftables()


def flags(title, result, table):
    status, _, error = result
    listing = nft.cmd(f"list table inet {table}")[1]
    kept = [word for word in ("owner", "dormant") if word in listing]
    print(f"{title}: status {status}, error {error!r}, flags {' '.join(kept) or 'none'}")


for flag in ("owner", "dormant", "nonsense"):
    table = {"family": "inet", "name": flag[:3], "flags": [flag]}
    flags(f"JSON {flag}", nft.json_cmd({"nftables": [{"add": {"table": table}}]}), flag[:3])
flags("text owner", nft.cmd("add table inet text { flags owner; }"), "text")
END
output=$(in_namespace /usr/bin/python3 "$work/flags.py")
expect "table flags" "JSON owner: status 0, error '', flags none
JSON dormant: status 0, error '', flags none
JSON nonsense: status 0, error '', flags none
text owner: status 0, error '', flags owner" "$output"
finish
