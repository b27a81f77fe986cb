"""A listener that redirects and a client that follows, speaking as much Oracle Net as both need.

Runs in a namespace as `python tns_peer.py ROLE …`, one line of output for each thing that happened.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
import time
from struct import pack, unpack

CONNECT, ACCEPT, REDIRECT, DATA = 1, 2, 5, 6
_DESCRIPTOR = b"(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=lab)))"


def say(*words: object) -> None:
    print(*words, flush=True)


def packet(kind: int, body: bytes) -> bytes:
    return pack("!HHBBH", len(body) + 8, 0, kind, 0, 0) + body


def exactly(conn: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = conn.recv(size - len(data))
        if not more:
            raise ConnectionError(f"closed after {len(data)} of {size} bytes")
        data += more
    return data


def receive(conn: socket.socket) -> tuple[int, bytes]:
    size, _, kind, _, _ = unpack("!HHBBH", exactly(conn, 8))
    return kind, exactly(conn, size - 8)


def listener(host: str, port: str, form: str) -> None:
    """Redirect each client to `port` of the same host, and accept it there.

    `form`: "one" packet, or "two": the text in a DATA packet, sent when the REDIRECT is on its way.
    """
    text = f"(ADDRESS=(PROTOCOL=tcp)(HOST={host})(PORT={port}))".encode() + b"\0" + _DESCRIPTOR
    dispatcher = socket.create_server((host, int(port)), family=_family(host))
    threading.Thread(target=_dispatch, args=[dispatcher], daemon=True).start()
    control = socket.create_server((host, 1521), family=_family(host))
    while True:
        conn, _ = control.accept()
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with conn:
            if receive(conn)[0] == CONNECT:
                _redirect(conn, text, form)
                conn.recv(1)  # the client closes first


def _redirect(conn: socket.socket, text: bytes, form: str) -> None:
    size = pack("!H", len(text))
    if form == "one":
        conn.sendall(packet(REDIRECT, size + text))
        return
    conn.sendall(packet(REDIRECT, size))
    conn.sendall(packet(DATA, b"\0\0" + text))


def _dispatch(server: socket.socket) -> None:
    while True:
        conn, _ = server.accept()
        with conn:
            kind, _ = receive(conn)
            if kind == CONNECT:
                conn.sendall(
                    packet(ACCEPT, bytes(24)) + packet(DATA, b"\0\0served by the dispatcher")
                )


def client(host: str, timeout: str, gate: str = "") -> None:
    """Connect, follow one redirect, say what the second server serves.

    `gate`: follow it when this file exists.
    """
    with socket.create_connection((host, 1521), timeout=60) as conn:
        conn.sendall(_connect())
        kind, body = receive(conn)
        text = body[2:]
        if kind == REDIRECT and not text:
            _, body = receive(conn)
            text = body[2:]
        say("redirected", text.partition(b"\0")[0].decode())
        if not text.endswith(_DESCRIPTOR):
            sys.exit(f"the text is damaged: {text!r}")
    while gate and not os.path.exists(gate):
        time.sleep(0.1)
    match = re.search(rb"\(HOST=([^)]*)\)\s*\(PORT=([^)]*)\)", text)
    assert match, text
    try:
        with socket.create_connection(
            (match[1].decode(), int(match[2])), timeout=float(timeout)
        ) as conn:
            conn.settimeout(60)
            conn.sendall(_connect())
            kind, _ = receive(conn)
            _, served = receive(conn)
            say("data", served[2:].decode())
    except OSError as error:
        say("data failed", error)


def _connect() -> bytes:
    head = pack("!HHHHHHHHHH", 319, 300, 0, 8192, 65535, 0x4F98, 0, 1, len(_DESCRIPTOR), 74)
    return packet(CONNECT, head.ljust(66, b"\0") + _DESCRIPTOR)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


if __name__ == "__main__":
    {"listener": listener, "client": client}[sys.argv[1]](*sys.argv[2:])
