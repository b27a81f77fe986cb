#!/bin/bash
# Title: tftpd-hpa refuses a netascii transfer whose request contains tsize.
# Version: tftpd-hpa 5.2+20150808-1.4
# Guess: a server that cannot tell the size leaves tsize out of its OACK (RFC 2347: unsupported options are ignored).
# Seen: ERROR 8 and no transfer; also for blksize 7. An unknown option is ignored (2026-11-28).
# Here: the TFTP helper's tests ask for tsize in octet mode.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ "$(id -u)" = 0 ] || cannot "in.tftpd changes its user, which needs root"
debs tftpd-hpa=5.2+20150808-1.4
cat >"$work/request.py" <<'END'
import os
import socket
import subprocess
import sys

folder = sys.argv[1]
with open(f"{folder}/hello", "w") as file:
    file.write("hello\n")
os.chmod(folder, 0o755)
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
# in.tftpd resolves its address with AI_ADDRCONFIG, which wants an address besides loopback
subprocess.run(["ip", "address", "add", "192.0.2.1/32", "dev", "lo"], check=True)
server = subprocess.Popen(
    ["in.tftpd", "--foreground", "--address", "127.0.0.1:69", "--secure", "--user", "nobody", folder]
)
KINDS = {3: "DATA", 5: "ERROR", 6: "OACK"}
try:
    for words in ("netascii", "netascii tsize 0", "octet tsize 0", "octet blksize 7", "octet foo 1"):
        mode, *options = words.split()
        request = b"\0\1" + b"".join(part.encode() + b"\0" for part in ("hello", mode, *options))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            answer = b""
            for _ in range(20):  # until the server listens
                client.sendto(request, ("127.0.0.1", 69))
                try:
                    answer = client.recv(2048)
                    break
                except TimeoutError:
                    continue
            if not answer:
                sys.exit("no answer")
        code = f" {answer[3]}" if answer[1] == 5 else ""
        print(f"{words}: {KINDS[answer[1]]}{code}")
finally:
    server.kill()
END
chmod 755 "$work"
output=$(in_namespace python3 "$work/request.py" "$(mktemp -d -p "$work")")
expect "answers" "netascii: DATA
netascii tsize 0: ERROR 8
octet tsize 0: OACK
octet blksize 7: ERROR 8
octet foo 1: DATA" "$output"
finish
