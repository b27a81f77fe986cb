#!/bin/bash
# Title: without EPSV, FTP clients over IPv6 fall back to RFC 1639's LPSV, to active LPRT, or to PASV.
# Version: wget 1.21.3-1+deb12u1, tnftp 20210827-4+b1, busybox 1:1.35.0-4+deb12u1+b1, curl 7.88.1-10+deb12u15
# Guess: all give up as curl and ftplib do: PASV has no IPv6 addresses, and RFC 1639 of 1994 is "historic".
# Seen: wget asks with LPSV. tnftp asks with LPSV and then opens a port of its own, named with LPRT. busybox asks with
#       PASV and connects to the server's IPv6 address, at the port of the 227's IPv4 address (2026-11-30).
# Here: the FTP helper opens the port of a 227 over IPv6 if the address is 0,0,0,0; LPSV and LPRT are not supported.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs wget=1.21.3-1+deb12u1 tnftp=20210827-4+b1 busybox=1:1.35.0-4+deb12u1+b1 \
    curl=7.88.1-10+deb12u15 libcurl4=7.88.1-10+deb12u15
cat >"$work/server.py" <<'END'
import socket
import subprocess
import sys
import threading

REPLIES = {
    "USER": "331 password", "PASS": "230 logged in", "SYST": "215 UNIX Type: L8", "PWD": '257 "/"', "TYPE": "200 ok",
    "SIZE": "213 5", "MDTM": "213 20200101000000", "QUIT": "221 bye", "RETR": "150 data follows",
}  # fmt: skip
commands = []


def serve(control):
    stream = control.makefile("rwb", buffering=0)
    stream.write(b"220 ready\r\n")
    for line in stream:
        command = line.decode().split()[0].upper()
        if command in ("EPSV", "PASV", "LPSV", "EPRT", "PORT", "LPRT"):
            commands.append(command)
        reply = REPLIES.get(command, "500 unknown")
        if command == "PASV":
            passive = socket.create_server(("::1", 0), family=socket.AF_INET6)
            reply = "227 Entering Passive Mode (192,0,2,2,%d,%d)" % divmod(passive.getsockname()[1], 256)
        stream.write(reply.encode() + b"\r\n")
        if command == "RETR":
            data, _ = passive.accept()
            commands.append("data to ::1")
            data.sendall(b"hello")
            data.close()
            stream.write(b"226 done\r\n")


def listen():
    server = socket.create_server(("::1", 21), family=socket.AF_INET6)
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


subprocess.run("ip link set lo up", shell=True, check=True)
threading.excepthook = lambda _: None  # a client that is gone
threading.Thread(target=listen, daemon=True).start()
CLIENTS = {
    "curl": "curl -sS -o curl.out ftp://[::1]/file",
    "wget": "wget -q -t 1 -O wget.out ftp://[::1]/file",
    "tnftp": "tnftp -V -o tnftp.out ftp://[::1]/file",
    "busybox": "busybox wget -q -O busybox.out ftp://[::1]/file",
}
for name, command in CLIENTS.items():
    commands.clear()
    subprocess.run(
        command, shell=True, cwd=sys.argv[1], stdin=subprocess.DEVNULL, capture_output=True, timeout=15, check=False
    )
    print(f"{name}:", ", ".join(commands))
END
export HOME=$work PATH=$work/root/bin:$PATH
expect "commands" "curl: EPSV
wget: EPSV, LPSV
tnftp: EPSV, LPSV, LPRT
busybox: EPSV, PASV, data to ::1" "$(in_namespace python3 "$work/server.py" "$work")"
finish
