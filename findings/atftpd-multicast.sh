#!/bin/bash
# Title: atftpd answers the multicast option of RFC 2090 by default, with the first address of a /16 as its group.
# Version: atftpd 0.8.0-3
# Guess: an option of an experimental RFC of 1997 is ignored unless it is enabled.
# Seen: OACK with "multicast 239.255.0.0,1758,1": the data goes to UDP port 1758 of a group, and this client is the one
#       that acknowledges; a second client is told to listen ("0"). With --no-multicast the answer is an OACK without
#       any option, where RFC 2347 has DATA (2026-11-30).
# Here: the TFTP helper expects the transfer between the request's hosts alone: such a client gets an OACK and no data
#       through the firewall, so boot ROMs must not ask for it (docs/protocols/tftp.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ "$(id -u)" = 0 ] || cannot "atftpd needs root"
debs atftpd=0.8.0-3
cat >"$work/request.py" <<'END'
import socket
import subprocess
import sys

folder, *options = sys.argv[1:]
for command in ("link set lo up", "address add 192.0.2.1/24 dev lo", "route add 224.0.0.0/4 dev lo"):
    subprocess.run(["ip", *command.split()], check=True)
server = subprocess.Popen(
    ["atftpd", "--daemon", "--no-fork", "--logfile", "-", "--bind-address", "192.0.2.1", "--user", "root",
     "--group", "root", *options, folder],
    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)  # fmt: skip
REQUEST = b"\0\1file\0octet\0multicast\0\0"


def ask(client):
    client.settimeout(1)
    for _ in range(20):  # until the server listens
        client.sendto(REQUEST, ("192.0.2.1", 69))
        try:
            return client.recvfrom(2048)
        except TimeoutError:
            continue
    sys.exit("no answer")


try:
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    for client in clients:
        answer, peer = ask(client)
        kind = {3: "DATA", 5: "ERROR", 6: "OACK"}[answer[1]]
        print(kind, *answer[2:].decode().strip("\0").split("\0") if kind == "OACK" else "")
    client.sendto(b"\0\5\0\0\0", peer)  # no transfer
finally:
    server.kill()
END
mkdir "$work/files" && echo hello >"$work/files/file" && chmod 755 "$work" "$work/files"
expect "answers to two clients" "OACK multicast 239.255.0.0,1758,1
OACK multicast 239.255.0.0,1758,0" "$(in_namespace python3 "$work/request.py" "$work/files")"
expect "with --no-multicast" "OACK
OACK" "$(in_namespace python3 "$work/request.py" "$work/files" --no-multicast | sed 's/ $//')"
finish
