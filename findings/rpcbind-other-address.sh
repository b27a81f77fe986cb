#!/bin/bash
# Title: rpcbind answers GETADDR with another of its host's addresses, unless the call names the one that was asked.
# Version: rpcbind 1.2.6-6+b1
# Guess: whoever asks 192.0.2.53 where a service is gets "192.0.2.53.p.p", or at least the address that answers.
# Seen: "192.0.2.1.p.p" if r_addr is empty, as libnfs sends it over IPv6, or names no address of the host, as behind DNAT:
#       rpcbind takes the first address in the network of the caller. With r_addr of the asked address it is that one,
#       which libtirpc and Linux send (2026-11-30).
# Here: an announcement must name its sender (G5), so such answers opened nothing. The port now opens at the host that
#       was asked, where libnfs and Linux connect, since they read nothing but the port (docs/protocols/rpc.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ "$(id -u)" = 0 ] || cannot "rpcbind needs root"
debs rpcbind=1.2.6-6+b1
cat >"$work/ask.py" <<'END'
import socket
from struct import pack, unpack


def string(text):
    return pack("!I", len(text)) + text + bytes(-len(text) % 4)


def ask(host, hint):
    arguments = pack("!2I", 100000, 4) + string(b"udp") + string(hint) + string(b"")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        for _ in range(20):  # until the server listens
            client.sendto(pack("!6I", 7, 0, 2, 100000, 4, 3) + bytes(16) + arguments, (host, 111))
            try:
                answer = client.recv(512)
            except (TimeoutError, ConnectionRefusedError):
                continue
            return answer[28 : 28 + unpack("!I", answer[24:28])[0]].decode()


for hint in (b"192.0.2.53.0.111", b"", b"203.0.113.9.0.111"):
    print(hint.decode() or "(empty)", ask("192.0.2.53", hint))
END
cat >"$work/hosts.sh" <<'END'
unshare --net sleep 60 &
client=$!
sleep 0.5 # the client's namespace
mount -t tmpfs none /run
ip link add v0 type veth peer name v1 netns "$client"
ip address add 192.0.2.1/24 dev v0
ip address add 192.0.2.53/24 dev v0
ip link set v0 up
ip link set lo up
nsenter -t "$client" -n ip address add 192.0.2.100/24 dev v1
nsenter -t "$client" -n ip link set v1 up
rpcbind -f 2>/dev/null &
nsenter -t "$client" -n python3 "$1"
kill "$client" $!
END
expect "asked 192.0.2.53 with r_addr" "192.0.2.53.0.111 192.0.2.53.0.111
(empty) 192.0.2.1.0.111
203.0.113.9.0.111 192.0.2.1.0.111" "$(unshare --net --mount bash "$work/hosts.sh" "$work/ask.py")"
finish
