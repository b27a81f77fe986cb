"""Serve one port as inetd does: a process for each connection, with the socket as its standard input and output.

Runs in a namespace as `python inetd.py ADDRESS PORT PROGRAM …`. The address :: is IPv4's as well, in the form that
IPv6 sockets have for it. A port such as 518/udp is a program's that serves the socket itself, as with `wait`.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import NoReturn


def serve_datagrams(address: str, port: int, command: Sequence[str]) -> NoReturn:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        print("listening", flush=True)
        while True:
            select.select([server], [], [])
            subprocess.run(command, stdin=server, stdout=server, check=False)


def main(address: str, port: str, *command: str) -> None:
    if port.endswith("/udp"):
        serve_datagrams(address, int(port.removesuffix("/udp")), command)
    six = ":" in address
    family = socket.AF_INET6 if six else socket.AF_INET
    listener = socket.create_server((address, int(port)), family=family, dualstack_ipv6=six)
    print("listening", flush=True)
    while True:
        connection, _ = listener.accept()
        subprocess.Popen(command, stdin=connection, stdout=connection, stderr=connection)
        connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
