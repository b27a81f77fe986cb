#!/bin/bash
# Title: pyftpdlib answers PASV over IPv6 with the IPv6 address between the parentheses of a 227.
# Version: pyftpdlib 2.2.0; twisted 26.10.0 and aioftp 0.28.3 for comparison
# Guess: an error: h1,h2,h3,h4,p1,p2 has no room for an IPv6 address.
# Seen: "227 Entering passive mode (::1,199,75)." and a port that listens. Twisted answers 502 and names EPSV, aioftp
#       503 (2026-11-30).
# Here: the FTP helper opens nothing for a 227 without six numbers (docs/protocols/ftp.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips pyftpdlib==2.2.0 twisted==26.10.0 aioftp==0.28.3
cat >"$work/aioftp_server.py" <<'END'
import asyncio
import sys

import aioftp


async def main():
    server = aioftp.Server([aioftp.User(base_path=sys.argv[1])])
    await server.start("::1", 2121)
    await server.serve_forever()


asyncio.run(main())
END
cat >"$work/twisted_server.py" <<'END'
import sys

from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.portal import Portal
from twisted.internet import reactor
from twisted.protocols.ftp import FTPFactory, FTPRealm

factory = FTPFactory(Portal(FTPRealm(sys.argv[1]), [AllowAnonymousAccess()]))
reactor.listenTCP(2121, factory, interface="::1")
reactor.run()
END
cat >"$work/ask.py" <<'END'
import re
import socket
import subprocess
import sys
import time

folder = sys.argv[1]
SERVERS = {
    "pyftpdlib": ["-m", "pyftpdlib", "-i", "::1", "-p", "2121", "-d", folder],
    "twisted": [f"{folder}/twisted_server.py", folder],
    "aioftp": [f"{folder}/aioftp_server.py", folder],
}


def connect(port):
    for _ in range(300):  # until the server listens
        try:
            return socket.create_connection(("::1", port), timeout=10)
        except OSError:
            time.sleep(0.1)
    sys.exit("no server")


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
for name, arguments in SERVERS.items():
    server = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        stream = connect(2121).makefile("rwb", buffering=0)
        stream.readline()
        for command in ("USER anonymous", "PASS a@b", "PASV"):
            if command == "PASS a@b" and reply.startswith("230"):
                continue
            stream.write(command.encode() + b"\r\n")
            reply = stream.readline().decode().strip()
        ports = re.search(r"::1,(\d+),(\d+)", reply)
        if ports:
            connect(256 * int(ports[1]) + int(ports[2])).close()
            reply = reply.replace(",".join(ports.groups()), "P1,P2") + " listens"
        print(f"{name}: {reply}")
    finally:
        server.kill()
        server.wait()
END
expect "PASV" "pyftpdlib: 227 Entering passive mode (::1,P1,P2). listens
twisted: 502 PASV available only for IPv4 (use EPSV instead)
aioftp: 503 this server started in ipv6 mode" "$(in_namespace "$python" "$work/ask.py" "$work")"
finish
