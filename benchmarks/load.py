"""The traffic of the benchmark: bounded, between the lab's own namespaces."""

from __future__ import annotations

import json
import socket
import statistics
import struct
import sys
import time

WINDOW = 16
CHUNK = bytes(65536)


def rpc(host: str, count: str) -> None:
    """GETPORT of the portmapper itself: first many outstanding, then one by one."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect((host, 111))
    sock.settimeout(10)
    call = struct.pack("!IIIIIIIIIIIII", 0, 2, 100000, 2, 3, 0, 0, 0, 0, 100000, 2, 17, 0)
    total = int(count)
    started = time.perf_counter()
    sent = received = 0
    while received < total:
        while sent < total and sent - received < WINDOW:
            sent += 1
            sock.send(struct.pack("!I", sent) + call)
        sock.recv(100)
        received += 1
    rate = total / (time.perf_counter() - started)
    times = []
    for xid in range(total // 4):
        before = time.perf_counter()
        sock.send(struct.pack("!I", 1 << 20 | xid) + call)
        sock.recv(100)
        times.append(time.perf_counter() - before)
    print(json.dumps({"rpc_per_s": rate, "rpc_ms": statistics.median(times) * 1000}))


def bulk(host: str) -> None:
    """Read a connection to its end."""
    sock = socket.create_connection((host, 21), 60)
    total = 0
    buffer = bytearray(1 << 20)
    started = time.perf_counter()
    while size := sock.recv_into(buffer):
        total += size
    print(json.dumps({"bulk_mb_per_s": total / 1e6 / (time.perf_counter() - started)}))


def serve(host: str, megabytes: str) -> None:
    """Greet like an FTP server, then send so much."""
    listener = socket.create_server((host, 21))
    print("listening", flush=True)
    while True:
        peer, _ = listener.accept()
        with peer:
            try:
                peer.sendall(b"220 hello\r\n")
                for _ in range(int(megabytes) * 16):
                    peer.sendall(CHUNK)
            except OSError:
                continue


if __name__ == "__main__":
    {f.__name__: f for f in (rpc, bulk, serve)}[sys.argv[1]](*sys.argv[2:])
