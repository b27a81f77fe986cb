#!/bin/bash
# Title: A listing in the batch that creates a table reports handle 0 for it and its chains.
# Version: nftables 1.0.6-2+deb12u2
# Guess: the listing follows the creation and shows the handles that the kernel assigned.
# Seen: handle 0 in the batch, the real handles in the next command (2026-11-28).
# Here: whoever needs a handle has to list again; fwhelpers deletes by name.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs python3-nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2
cat >"$work/handles.py" <<'END'
import json

import nftables

nft = nftables.Nftables()
nft.set_json_output(True)


def handles(listing):
    objects = [next(iter(item.items())) for item in json.loads(listing)["nftables"]]
    return " ".join(f"{kind} {body['handle']}" for kind, body in objects if "handle" in body)


created = nft.cmd("add table inet t; add chain inet t c; list table inet t")
print("same batch:", handles(created[1]))
print("next command:", handles(nft.cmd("list table inet t")[1]))
END
output=$(in_namespace /usr/bin/python3 "$work/handles.py")
expect "handles" "same batch: table 0 chain 0
next command: table 1 chain 1" "$output"
finish
