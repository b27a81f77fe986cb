"""Askers and answerers of discovery protocols, as plain as can be.

Runs in a namespace as `python discoverers.py ROLE …`, one line of output for each thing that happened.
An answerer obeys what a request carries: `X-LATE: seconds`, `X-FROM: address`, `X-PORT: port`, `X-SAY: hexadecimal`.
"""

from __future__ import annotations

import re
import select
import socket
import struct
import sys
import threading
import time

#: the lab's: the gateway's has another name
INTERFACE = "lan" if "lan" in {name for _, name in socket.if_nameindex()} else "eth0"


def say(*words: object) -> None:
    print(*words, flush=True)


def udp(family: int, port: int, address: str = "") -> socket.socket:
    """A socket that may send to everybody, by the lab's interface."""
    sock = socket.socket(socket.AF_INET6 if family == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setsockopt(socket.SOL_SOCKET, 25, INTERFACE.encode())  # SO_BINDTODEVICE
    if family == 6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind((address, port))
    return sock


def join(sock: socket.socket, family: int, group: str) -> None:
    index = socket.if_nametoindex(INTERFACE)
    packed = socket.inet_pton(sock.family, group)
    if family == 6:
        request = packed + struct.pack("@I", index)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
    else:
        request = packed + bytes(4) + struct.pack("@i", index)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)


def listener(spec: str) -> tuple[socket.socket, str]:
    """`family,group,port`; the group may be empty, for broadcast."""
    family, group, port = spec.split(",")
    sock = udp(int(family), int(port))
    if group:
        join(sock, int(family), group)
    return sock, spec


def answer(*specs: str) -> None:
    """Answer each request with a unicast datagram."""
    sockets = dict(map(listener, specs))
    say("listening")
    while True:
        ready, _, _ = select.select(list(sockets), [], [])
        for sock in ready:
            data, peer = sock.recvfrom(9000)
            say("asked", sockets[sock], peer[0], peer[1])
            threading.Thread(target=reply, args=(sock, data, peer), daemon=True).start()


def reply(sock: socket.socket, data: bytes, peer: tuple[str, int]) -> None:
    orders = dict(re.findall(rb"X-([A-Z]+): ([0-9a-f.:]+)", data))
    time.sleep(int(orders.get(b"LATE", b"0")))
    if b"FROM" in orders or b"PORT" in orders:
        family = 6 if sock.family == socket.AF_INET6 else 4
        port = int(orders.get(b"PORT", sock.getsockname()[1]))
        sock = udp(family, port, orders.get(b"FROM", b"").decode())
    sock.sendto(bytes.fromhex(orders.get(b"SAY", b"").decode()) or b"an answer", peer)
    say("answered", peer[0], peer[1])


def receive(*specs: str) -> None:
    """Tell what comes, answer nothing."""
    sockets = dict(map(listener, specs))
    say("listening")
    while True:
        ready, _, _ = select.select(list(sockets), [], [])
        for sock in ready:
            data, peer = sock.recvfrom(9000)
            say("received", sockets[sock], peer[0], peer[1], len(data))


def ask(family: str, destination: str, port: str, sport: str, request: str, seconds: str) -> None:
    """Ask once, tell each answer; the first one ends it, or the time does."""
    sock = udp(int(family), int(sport))
    scope = (0, socket.if_nametoindex(INTERFACE)) if family == "6" else ()
    sock.sendto(bytes.fromhex(request), (destination, int(port), *scope))
    sock.settimeout(float(seconds))
    try:
        data, peer = sock.recvfrom(9000)
        say("answer", peer[0], peer[1], ascii(data[:60]))
    except TimeoutError:
        say("silence")


def announce(destination: str, port: str, tcp: str, request: str, seconds: str) -> None:
    """Announce a TCP port to everybody, tell who connects."""
    server = socket.create_server(("", int(tcp)))
    sock = udp(4, 0)
    sock.sendto(bytes.fromhex(request), (destination, int(port)))
    server.settimeout(float(seconds))
    try:
        _, peer = server.accept()
        say("connected", peer[0])
    except TimeoutError:
        say("silence")


def connect(destination: str, port: str, group_port: str) -> None:
    """Connect to whoever announces."""
    sock = udp(4, int(group_port))
    say("listening")
    _, peer = sock.recvfrom(9000)
    say("asked", peer[0])
    try:
        socket.create_connection((destination or peer[0], int(port)), timeout=10).close()
        say("connected")
    except OSError as error:
        say("failed", error)


if __name__ == "__main__":
    roles = {f.__name__: f for f in (answer, receive, ask, announce, connect)}
    roles[sys.argv[1]](*sys.argv[2:])
