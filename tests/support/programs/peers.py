"""Peers that do exactly what a test says: a control connection to type on, a server that answers on a signal.

Runs in a namespace as `python peers.py ROLE …`, one line of output for each thing that happened.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from contextlib import suppress
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


def fetch(host: str, gate: str) -> None:
    """An FTP client that waits for a file between the reply to its PASV and the data connection."""
    control = socket.create_connection((host, 21), timeout=60)
    lines = control.makefile("rb")
    for step in ("", "USER ftp", "PASS x", "PASV"):
        if step:
            control.sendall(step.encode() + b"\r\n")
        reply = lines.readline().decode().strip()
        say("<", reply)
    *_, high, low = reply.rstrip(").").split(",")
    wait_for(gate)
    with socket.create_connection((host, int(high) * 256 + int(low)), timeout=30) as data:
        control.sendall(b"RETR hello\r\n")
        say("data", data.recv(1000).decode().strip())


def drip(host: str, *lines: str) -> None:
    """An FTP client whose segments carry one byte each; then `PASV` and the data connection."""
    control = socket.create_connection((host, 21), timeout=60)
    control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    replies = control.makefile("rb")
    say("<", replies.readline().decode().strip())
    reply = b""
    for line in (*lines, "PASV"):
        for byte in line.encode("latin-1") + b"\r\n":
            control.sendall(bytes([byte]))
        reply = replies.readline()
        say("<", reply.decode("latin-1").strip())
    *_, high, low = (int(n) for n in reply[reply.index(b"(") + 1 : reply.index(b")")].split(b","))
    socket.create_connection((host, high * 256 + low), timeout=60).close()
    say("data connected")


def raw(host: str, port: str, *messages: str) -> None:
    """One TCP connection for each message (in hexadecimal): send it, read until the server hangs up."""
    for message in messages:
        with socket.create_connection((host, int(port)), timeout=60) as sock:
            if port == "21":  # before its greeting nobody is an FTP server
                sock.recv(4096)
            with suppress(OSError):  # it may hang up before all is said
                sock.sendall(bytes.fromhex(message))
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    pass
        say("sent", len(message) // 2)


def rpc(host: str, l4: str, program: str, size: str) -> None:
    """Ask the portmapper for a program's TCP port, `size` bytes of the call a segment, and connect to it."""
    words = (7, 0, 2, 100000, 2, 3, 0, 0, 0, 0, int(program), 3, 6, 0)
    call = struct.pack("!14I", *words)
    if l4 == "udp":
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(60)
        sock.connect((host, 111))
        sock.send(call)
        answer = sock.recv(100)
    else:
        sock = socket.create_connection((host, 111), timeout=60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        call = struct.pack("!I", len(call) | 1 << 31) + call
        for start in range(0, len(call), int(size)):
            sock.sendall(call[start : start + int(size)])
        answer = sock.recv(100)
    port = int.from_bytes(answer[-4:], "big")
    say("port", port)
    socket.create_connection((host, port), timeout=60).close()
    say("connected")


def datagrams(host: str, port: str, *messages: str) -> None:
    """Send datagrams (in hexadecimal), each from a socket of its own and all once more from one."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for message in messages:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(bytes.fromhex(message), (host, int(port)))
        sender.sendto(bytes.fromhex(message), (host, int(port)))
    say("sent", len(messages))


def sink(host: str, port: str) -> None:
    """Count datagrams; answer `count` with how many came."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, 33, 1 << 26)  # SO_RCVBUFFORCE
    sock.bind((host, int(port)))
    say("listening")
    count = 0
    while True:
        data, peer = sock.recvfrom(65536)
        if data == b"count":
            sock.sendto(str(count).encode(), peer)
        else:
            count += 1


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
    everybody = (
        slow_ftp,
        ftp_client,
        listen_for_data,
        fetch,
        drip,
        raw,
        rpc,
        datagrams,
        sink,
        flood,
    )
    roles = {f.__name__: f for f in everybody}
    roles[sys.argv[1]](*sys.argv[2:])
