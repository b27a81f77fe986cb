#!/bin/bash
# Title: npm's ip: address("public") returns the private address, address("private") the public one.
# Version: ip 1.1.9 from npm (node-sonos requires ^1.1.5), ip 2.0.1; Node.js 18.20 or 20.20
# Guess: as the words say.
# Seen: the other way round, in both versions (2026-11-30).
# Here: node-sonos takes address("public") for the CALLBACK of its subscriptions. It is the address on the LAN only
#       because of this; on a host with a public address alone it is 127.0.0.1, to which no event comes, and which the
#       gena helper refuses, as it is not the subscriber's.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
command -v node >/dev/null && command -v npm >/dev/null || cannot "node or npm is missing"
cat >"$work/addresses.sh" <<'END'
cd "$1" && ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up
for address in "192.168.1.1 198.51.100.1" 198.51.100.1; do
    ip address flush dev v0 scope global
    for part in $address; do ip address add "$part/32" dev v0; done
    node -e 'const ip = require("ip"); console.log("public", ip.address("public"), "private", ip.address("private"))'
done
END
for version in 1.1.9 2.0.1; do
    (cd "$work" && npm install --ignore-scripts --no-audit --no-fund "ip@$version") >"$work/npm.log" 2>&1 ||
        cannot "npm install: $(tail -n 1 "$work/npm.log")"
    expect "$version" "public 192.168.1.1 private 198.51.100.1
public 127.0.0.1 private 198.51.100.1" "$(in_namespace sh "$work/addresses.sh" "$work")"
done
finish
