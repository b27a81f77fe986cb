#!/bin/bash
# Title: in conntrack's XML all ICMP entries between two hosts look alike.
# Version: conntrack 1:1.4.7-1+b2, libnetfilter-conntrack3
# Guess: <layer4> of an ICMP entry has type, code and id, which the text has.
# Seen: <layer4 protonum="1" protoname="icmp"></layer4>; two pings differ by <id> and <timeout> alone (2026-11-30).
# Here: a reader that takes the tuple as the key of an entry has one for both; fwhelpers reads netlink.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs conntrack=1:1.4.7-1+b2
cat >"$work/icmp.sh" <<'END'
for id in 7 8; do
    conntrack -I -p icmp -s 192.0.2.1 -d 192.0.2.2 --icmp-type 8 --icmp-code 0 --icmp-id $id -t 300
done 2>/dev/null
conntrack -L 2>/dev/null | grep -oE 'type=8 code=0 id=[0-9]+' | sort
conntrack -L -o xml 2>/dev/null | grep -oE '<layer4 protonum="1".*</layer4>' | sed 's/<\/layer4>.*/<\/layer4>/' | sort -u
END
expect "two pings" 'type=8 code=0 id=7
type=8 code=0 id=8
<layer4 protonum="1" protoname="icmp"></layer4>' "$(in_namespace sh "$work/icmp.sh")"
finish
