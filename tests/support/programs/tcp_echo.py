"""Echo lines over TCP port 7000 of the server.

tcp_echo.py serve | tcp_echo.py send LINE...
"""

from __future__ import annotations

import socket
import sys

ADDRESS = ("10.0.2.2", 7000)


def serve() -> None:
    server = socket.create_server(ADDRESS)
    print("listening", flush=True)
    while True:
        peer, _ = server.accept()
        with peer:
            while data := peer.recv(999):
                peer.sendall(b"got " + data)


def send(*lines: str) -> None:
    """Send each line, and print its echo, over one connection."""
    with socket.create_connection(ADDRESS, 60) as sock:
        for line in lines:
            sock.sendall(line.encode() + b"\n")
            print(sock.recv(999).decode(), end="")


if __name__ == "__main__":
    {"serve": serve, "send": send}[sys.argv[1]](*sys.argv[2:])
