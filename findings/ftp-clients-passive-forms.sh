#!/bin/bash
# Title: FTP clients differ in the valid forms of 227 and 229 that they read.
# Version: curl 7.88.1-10+deb12u15, wget 1.21.3-1+deb12u1, lftp 4.9.2-2+b1, tnftp 20210827-4+b1, busybox-static
#          1:1.35.0-4+deb12u1+b1, basic-ftp 5.0.5 from npm, aioftp 0.28.3, ftplib of CPython 3.11
# Guess: all read a 229 with another delimiter than "|", as RFC 2428 §2 permits, and all read a 227 without
#        parentheses, as RFC 1123 §4.1.2.6 asks for.
# Seen: with "!" and "#" busybox gives up, with "#" also basic-ftp, which sends PASV then. aioftp does not read a 227
#       without parentheses. The others read all; wget, lftp and ftplib send no EPSV over IPv4 (2026-11-30).
# Here: the FTP helper reads all these forms. A server or gateway that writes others than the usual ones loses clients.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
command -v npm >/dev/null || cannot "npm is missing"
debs curl=7.88.1-10+deb12u15 libcurl4=7.88.1-10+deb12u15 wget=1.21.3-1+deb12u1 lftp=4.9.2-2+b1 \
    tnftp=20210827-4+b1 busybox-static=1:1.35.0-4+deb12u1+b1
pips aioftp==0.28.3
(cd "$work" && npm install --silent basic-ftp@5.0.5 >npm.log 2>&1) || cannot "npm install: $(tail -n 1 "$work/npm.log")"
cat >"$work/basic.js" <<'END'
const {Client} = require("basic-ftp");
(async () => {
    const client = new Client(5000);
    await client.access({host: "127.0.0.1"});
    await client.downloadTo("basic.out", "file");
    client.close();
})().catch(() => process.exit(1));
END
cat >"$work/aio.py" <<'END'
import asyncio

import aioftp


async def main():
    async with aioftp.Client.context("127.0.0.1") as client, client.download_stream("file") as stream:
        await stream.read()


asyncio.run(main())
END
cat >"$work/lib.py" <<'END'
import ftplib

client = ftplib.FTP("127.0.0.1")
client.login()
client.retrbinary("RETR file", print)
END
cat >"$work/server.py" <<'END'
import os
import socket
import subprocess
import sys
import threading

python, folder = sys.argv[1:]
REPLIES = {
    "USER": "331 password", "PASS": "230 logged in", "SYST": "215 UNIX Type: L8", "PWD": '257 "/"', "TYPE": "200 ok",
    "CWD": "250 ok", "SIZE": "213 5", "MDTM": "213 20200101000000", "QUIT": "221 bye",
}  # fmt: skip
EPSV, PASV = "229 ok (%s%s%s%d%s)", "227 ok %s127,0,0,1,%d,%d%s"
CLIENTS = {
    "curl": "curl -sS -o curl.out ftp://127.0.0.1/file",
    "wget": "wget -q -t 1 -O wget.out ftp://127.0.0.1/file",
    "lftp": "lftp -c 'set net:max-retries 1; set xfer:clobber on; get ftp://127.0.0.1/file -o lftp.out'",
    "tnftp": "tnftp -V -o tnftp.out ftp://127.0.0.1/file",
    "busybox": "busybox wget -q -O busybox.out ftp://127.0.0.1/file",
    "basic-ftp": "node basic.js",
    "aioftp": f"{python} aio.py",
    "ftplib": f"{python} lib.py",
}
form = {}
transfers = []


def passive(command):
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(5)
    port = listener.getsockname()[1]
    mark = form[command]
    if command == "EPSV":
        return listener, EPSV % (mark, mark, mark, port, mark)
    return listener, PASV % (mark[:1], *divmod(port, 256), mark[1:])


def serve(control):
    stream = control.makefile("rwb", buffering=0)
    stream.write(b"220 ready\r\n")
    for line in stream:
        command = line.decode().split()[0].upper()
        reply = REPLIES.get(command, "500 unknown")
        if command in form:
            listener, reply = passive(command)
        elif command == "RETR":
            stream.write(b"150 data follows\r\n")
            data, _ = listener.accept()
            transfers.append(data.sendall(b"hello"))
            data.close()
            reply = "226 done"
        stream.write(reply.encode() + b"\r\n")


def listen():
    server = socket.create_server(("127.0.0.1", 21))
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
threading.excepthook = lambda _: None  # a client that is gone
threading.Thread(target=listen, daemon=True).start()
for command, mark in (("EPSV", "|"), ("EPSV", "!"), ("EPSV", "#"), ("PASV", "()"), ("PASV", "")):
    form = {command: mark}
    failed = []
    for name, client in CLIENTS.items():
        if command == "EPSV" and name in ("wget", "lftp", "ftplib"):
            continue
        transfers.clear()
        subprocess.run(f"timeout 15 {client} </dev/null >/dev/null 2>&1", shell=True, cwd=folder, env=os.environ)
        if not transfers:
            failed.append(name)
    print(command, mark or "bare", "failed:", *failed)
END
export HOME=$work PATH=$work/root/bin:$PATH
expect "clients" "EPSV | failed:
EPSV ! failed: busybox
EPSV # failed: busybox basic-ftp
PASV () failed:
PASV bare failed: aioftp" "$(in_namespace python3 "$work/server.py" "$python" "$work")"
finish
