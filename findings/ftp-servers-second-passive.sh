#!/bin/bash
# Title: for a second PASV, FTP servers name a new port, or the same one, or do not answer at all.
# Version: pyftpdlib 2.2.0, aioftp 0.28.3, twisted 26.10.0
# Guess: each PASV gets a port of its own, and the server closes the one before, which nobody will use.
# Seen: pyftpdlib does so. aioftp names the first port again. Twisted answers no further command until the data
#       connection is there: after PASV neither PASV nor ABOR (2026-11-30).
# Here: in the FTP helper each 227 replaces the expectation before (docs/protocols/ftp.md). A client of Twisted's server
#       that cannot connect gets no reply to ABOR either.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips pyftpdlib==2.2.0 aioftp==0.28.3 twisted==26.10.0
mkdir "$work/files"
cat >"$work/aioftp_server.py" <<'END'
import asyncio
import sys

import aioftp


async def main():
    server = aioftp.Server([aioftp.User(base_path=sys.argv[1])])
    await server.start("127.0.0.1", 2122)
    await server.serve_forever()


asyncio.run(main())
END
cat >"$work/ask.py" <<'END'
import re
import socket
import subprocess
import sys
import time

folder = sys.argv[1]
SERVERS = {
    "pyftpdlib": ["-m", "pyftpdlib", "-i", "127.0.0.1", "-p", "2121", "-d", f"{folder}/files"],
    "aioftp": [f"{folder}/aioftp_server.py", f"{folder}/files"],
    "twisted": ["-m", "twisted", "ftp", "--port", "2123", "--root", f"{folder}/files"],
}


def connect(port):
    for _ in range(300):  # until the server listens
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except OSError:
            time.sleep(0.1)
    sys.exit("no server")


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return "closed"
    return "open"


class Client:
    def __init__(self, port):
        self.stream = connect(port).makefile("rwb", buffering=0)
        self.stream.readline()
        if self.ask("USER anonymous").startswith("331"):
            self.ask("PASS a@b")

    def ask(self, command):
        self.stream.write(command.encode() + b"\r\n")
        try:
            return self.stream.readline().decode().strip()
        except TimeoutError:
            return "nothing in 5 s"

    def passive(self):
        reply = self.ask("PASV")
        numbers = re.search(r"(\d+),(\d+)\)", reply)
        return 256 * int(numbers[1]) + int(numbers[2]) if numbers else reply


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
for control, (name, arguments) in enumerate(SERVERS.items(), 2121):
    server = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        client = Client(control)
        first, second = client.passive(), client.passive()
        if isinstance(second, str):
            print(f"{name}: {second}; ABOR after PASV: {(client := Client(control)).passive() and client.ask('ABOR')}")
        else:
            print(f"{name}: {'the same' if first == second else 'another'} port, the first is {listens(first)}")
    finally:
        server.kill()
        server.wait()
END
expect "second PASV" "pyftpdlib: another port, the first is closed
aioftp: the same port, the first is open
twisted: nothing in 5 s; ABOR after PASV: nothing in 5 s" "$(in_namespace "$python" "$work/ask.py" "$work")"
finish
