#!/bin/bash
# Title: dnsmasq's largest TFTP block depends on the size of EDNS packets, also without DNS.
# Version: dnsmasq-base 2.90-4~deb12u2
# Guess: the client's blksize, at most what the interface's MTU holds: dnsmasq(8) names no other limit.
# Seen: with an MTU of 65536 a client that asks for 65464 bytes gets 2263, and 5127 with --edns-packet-max=4096: the
#       option plus 1035, less the 4 bytes of TFTP's header; DNS was disabled with --port=0 (2026-11-30).
# Here: the TFTP helper reads no block sizes; each datagram of a transfer is related or established by then.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ "$(id -u)" = 0 ] || cannot "dnsmasq needs root"
debs dnsmasq-base=2.90-4~deb12u2
cat >"$work/request.py" <<'END'
import socket
import subprocess
import sys

folder, *options = sys.argv[1:]
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = subprocess.Popen(
    ["dnsmasq", "--keep-in-foreground", "--port=0", "--enable-tftp", f"--tftp-root={folder}", "--user=root",
     "--listen-address=127.0.0.1", "--bind-interfaces", "--conf-file=/dev/null", f"--pid-file={folder}/pid", *options],
    stderr=subprocess.DEVNULL,
)  # fmt: skip
request = b"\0\1file\0octet\0blksize\00065464\0"
try:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        for _ in range(20):  # until the server listens
            client.sendto(request, ("127.0.0.1", 69))
            try:
                answer, peer = client.recvfrom(2048)
                break
            except TimeoutError:
                continue
        else:
            sys.exit("no answer")
        client.sendto(b"\0\5\0\0\0", peer)  # no transfer
    print(answer[2:].decode().replace("\0", " ").strip())
finally:
    server.kill()
END
mkdir "$work/files" && echo hello >"$work/files/file" && chmod 755 "$work" "$work/files"
expect "answer" "blksize 2263" "$(in_namespace python3 "$work/request.py" "$work/files")"
expect "with --edns-packet-max=4096" "blksize 5127" \
    "$(in_namespace python3 "$work/request.py" "$work/files" --edns-packet-max=4096)"
finish
