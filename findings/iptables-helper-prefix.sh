#!/bin/bash
# Title: iptables' match `--helper NAME` also matches helpers whose names are only the beginning of NAME.
# Version: iptables 1.8.9-2, Linux 6.18 (xt_helper.c compares strlen(helper->name) bytes)
# Guess: the name of the helper, exactly, as nft's `ct helper "NAME"` compares it; or all names that begin with NAME.
# Seen: `--helper ftp-data` matches a data connection of the kernel's helper ftp, `--helper ft` does not (2026-11-30).
# Here: a rule for enip-io also accepts what enip opens, and one for xdmcp-x11 what xdmcp opens (docs/ufw.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs iptables=1.8.9-2 libxtables12=1.8.9-2 libip4tc2=1.8.9-2 libip6tc2=1.8.9-2 nftables=1.0.6-2+deb12u2 \
    libnftables1=1.0.6-2+deb12u2 libnetfilter-conntrack3 libnfnetlink0
export XTABLES_LIBDIR=$LD_LIBRARY_PATH/xtables
cat >"$work/ftp.py" <<'END'
import socket

control = socket.create_server(("127.0.0.1", 21))
data = socket.create_server(("127.0.0.1", 40001))
client = socket.create_connection(("127.0.0.1", 21))
server, _ = control.accept()
server.sendall(b"220 ready\r\n")  # the kernel's helper reads from the second line on
client.recv(99)
server.sendall(b"227 Entering Passive Mode (127,0,0,1,156,65)\r\n")
client.recv(99)
socket.create_connection(("127.0.0.1", 40001))
END
cat >"$work/try" <<'END'
ip link set lo up
nft -f - <<'RULES' || exit 2
table ip x {
    ct helper ftp { type "ftp" protocol tcp; }
    chain assign {
        type filter hook output priority -150;
        tcp dport 21 ct helper set "ftp"
    }
}
RULES
for name in ftp ftp-data ft sip; do
    iptables-nft -A OUTPUT -p tcp --syn --dport 40001 -m helper --helper "$name" -m comment --comment "$name" || exit 2
done
python3 "$1/ftp.py" || exit 2
iptables-nft -L OUTPUT -v -x -n | sed -n 's/^ *\([0-9]*\) .*\/\* \(.*\) \*\/.*/\2 \1/p'
END
counts=$(in_namespace bash "$work/try" "$work" 2>"$work/log") || cannot "$(tail -n 1 "$work/log")"
expect "matches of the first packet of a data connection of ftp" "ftp 1
ftp-data 1
ft 0
sip 0" "$counts"
finish
