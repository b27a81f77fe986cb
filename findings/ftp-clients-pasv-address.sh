#!/bin/bash
# Title: six FTP clients do three different things with a 227 that names another address than the server's.
# Version: wget 1.21.3-1+deb12u1, lftp 4.9.2-2+b1, ncftp 2:3.2.6-1+b1, tnftp 20210827-4+b1, busybox
#          1:1.35.0-4+deb12u1+b1, ftplib of CPython 3.11
# Guess: like curl and ftplib since their security fixes, all connect to the server's own address.
# Seen: wget, lftp and ncftp connect to the address in the reply; busybox and ftplib to the server; tnftp gives up:
#       "Passive mode address mismatch". lftp does as busybox if both are loopback addresses (2026-11-30).
# Here: by default a 227 with another address opens nothing (G5), so behind fwhelpers the first three fail with such a
#       server, as tnftp does; docs/protocols/ftp.md has the option.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs wget=1.21.3-1+deb12u1 lftp=4.9.2-2+b1 ncftp=2:3.2.6-1+b1 tnftp=20210827-4+b1 busybox=1:1.35.0-4+deb12u1+b1
cat >"$work/server.py" <<'END'
import select
import socket
import subprocess
import sys
import threading

OWN, OTHER = "192.0.2.1", "192.0.2.2"
ADDRESSES = (OWN, OTHER)
REPLIES = {
    "USER": "331 password", "PASS": "230 logged in", "SYST": "215 UNIX Type: L8", "PWD": '257 "/"', "TYPE": "200 ok",
    "CWD": "250 ok", "SIZE": "213 5", "MDTM": "213 20200101000000", "QUIT": "221 bye",
}  # fmt: skip
connected = []


def listeners():
    sockets = [socket.create_server((OWN, 0))]
    port = sockets[0].getsockname()[1]
    return [*sockets, socket.create_server((OTHER, port))], port


def serve(control):
    stream = control.makefile("rwb", buffering=0)
    stream.write(b"220 ready\r\n")
    sockets = []
    for line in stream:
        command = line.decode().split()[0].upper()
        if command == "PASV":
            sockets, port = listeners()
            reply = "227 Entering Passive Mode (192,0,2,2,%d,%d)" % divmod(port, 256)
        elif command == "RETR":
            stream.write(b"150 data follows\r\n")
            ready, _, _ = select.select(sockets, [], [], 5)
            data, _ = ready[0].accept()
            connected.append(data.getsockname()[0])
            data.sendall(b"hello")
            data.close()
            reply = "226 done"
        else:
            reply = REPLIES.get(command, "500 unknown")
        stream.write(reply.encode() + b"\r\n")


def listen():
    server = socket.create_server((OWN, 21))
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


subprocess.run("ip link set lo up", shell=True, check=True)
for address in ADDRESSES:
    subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
threading.excepthook = lambda _: None  # a client that is gone
threading.Thread(target=listen, daemon=True).start()
CLIENTS = {
    "wget": "wget -q -O wget.out ftp://192.0.2.1/file",
    "lftp": "lftp -c 'set ftp:ssl-allow no; open 192.0.2.1; get file -o lftp.out'",
    "ncftp": "ncftpget -V -c ftp://192.0.2.1/file",
    "tnftp": "tnftp -V -o tnftp.out ftp://192.0.2.1/file",
    "busybox": "busybox wget -q -O busybox.out ftp://192.0.2.1/file",
    "ftplib": "python3 -c 'import ftplib; f = ftplib.FTP(\"192.0.2.1\"); f.login(); f.retrbinary(\"RETR f\", print)'",
}
for name, command in CLIENTS.items():
    connected.clear()
    done = subprocess.run(
        command, shell=True, cwd=sys.argv[1], stdin=subprocess.DEVNULL, capture_output=True, timeout=15, check=False
    )
    print(f"{name}:", *connected or ["gives up"], f"(status {done.returncode})")
END
export HOME=$work
export PATH=$work/root/bin:$PATH
expect "data connection to" "wget: 192.0.2.2 (status 0)
lftp: 192.0.2.2 (status 0)
ncftp: 192.0.2.2 (status 0)
tnftp: gives up (status 1)
busybox: 192.0.2.1 (status 0)
ftplib: 192.0.2.1 (status 0)" "$(in_namespace python3 "$work/server.py" "$work")"
finish
