"""Peers that do exactly what a test says: a control connection to type on, a server that answers on a signal.

Runs in a namespace as `python peers.py ROLE …`, one line of output for each thing that happened.
"""

from __future__ import annotations

import socket
import sys
import time
from pathlib import Path


def say(*words: object) -> None:
    print(*words, flush=True)


def wait_for(name: str) -> None:
    """A test lets us go on by making a file."""
    end = time.monotonic() + 120
    while not Path(name).exists():
        if time.monotonic() > end:
            sys.exit(f"nobody made {name}")
        time.sleep(0.02)


def slow_ftp(gate: str, port: str) -> None:
    """An FTP server for one client whose 227 waits for a file; then a data connection is served."""
    control = socket.create_server(("10.0.2.2", 21), reuse_port=True)
    data = socket.create_server(("10.0.2.2", int(port)))
    say("listening")
    peer, _ = control.accept()
    peer.sendall(b"220 slow\r\n")
    for line in peer.makefile("rb"):
        say("got", line.strip().decode())
        if line.upper().startswith(b"PASV"):
            wait_for(gate)
            high, low = divmod(int(port), 256)
            peer.sendall(b"227 Entering Passive Mode (10,0,2,2,%d,%d)\r\n" % (high, low))
            conn, _ = data.accept()
            conn.sendall(b"served slowly\n")
            conn.close()
            peer.sendall(b"226 done\r\n")
        else:
            peer.sendall(b"200 ok\r\n")


def ftp_client(host: str, steps: str) -> None:
    """Send the lines of a script over one control connection; `@FILE` waits for a file, `<PORT` connects to it."""
    control = socket.create_connection((host, 21), timeout=60)
    lines = control.makefile("rb")
    say("<", lines.readline().decode().strip())
    for step in steps.split(";"):
        if step.startswith("@"):
            wait_for(step[1:])
        elif step.startswith("<"):
            with socket.create_connection((host, int(step[1:])), timeout=30) as data:
                say("data", data.recv(1000).decode().strip())
        elif step.startswith("pasv"):
            control.sendall(b"PASV\r\n")
            reply = lines.readline().decode().strip()
            say("<", reply)
            numbers = [int(n) for n in reply[reply.index("(") + 1 : reply.index(")")].split(",")]
            address = (".".join(map(str, numbers[:4])), numbers[4] * 256 + numbers[5])
            try:
                socket.create_connection(address, timeout=15).close()
                say("data connected")
            except OSError as error:
                say("data failed", error)
        else:
            control.sendall(step.encode() + b"\r\n")
            say("<", lines.readline().decode().strip())
    say("end")


def listen_for_data(host: str, port: str, gate: str) -> None:
    """An FTP client that announces a port of its own with PORT and waits for the data."""
    bound = socket.create_server((host, int(port)))
    control = socket.create_connection(("10.0.2.2", 21), timeout=60)
    lines = control.makefile("rb")
    high, low = divmod(int(port), 256)
    port_line = f"PORT {host.replace('.', ',')},{high},{low}"
    for step in ("", "USER ftp", "PASS x", port_line):
        if step:
            control.sendall(step.encode() + b"\r\n")
        say("<", lines.readline().decode().strip())
    wait_for(gate)
    control.sendall(b"RETR hello\r\n")
    bound.settimeout(40)
    conn, _ = bound.accept()
    say("data", conn.recv(1000).decode().strip())


def sink(host: str, port: str) -> None:
    """Count datagrams; answer `count` with how many came."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
    sock.bind((host, int(port)))
    say("listening")
    seen = 0
    while True:
        data, peer = sock.recvfrom(65536)
        if data == b"count":
            sock.sendto(str(seen).encode(), peer)
        else:
            seen += 1


def flood(host: str, port: str, count: str, size: str, total: str) -> None:
    """Send so many datagrams from one socket, then ask how many came until `total` did or no more come."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((host, int(port)))
    for n in range(int(count)):
        sock.send(bytes(int(size)))
        if n % 200 == 199:
            time.sleep(0.01)
    say("sent", count)
    sock.settimeout(2)
    arrived, since = -1, time.monotonic()
    while (
        arrived != int(count) and time.monotonic() - since < 30
    ):  # the queue may hold them a while
        try:
            sock.send(b"count")
            now = int(sock.recv(100))
        except TimeoutError:
            continue
        if now != arrived:
            arrived, since = now, time.monotonic()
        time.sleep(0.2)
    say("arrived", arrived)


if __name__ == "__main__":
    roles = {f.__name__: f for f in (slow_ftp, ftp_client, listen_for_data, sink, flood)}
    roles[sys.argv[1]](*sys.argv[2:])
