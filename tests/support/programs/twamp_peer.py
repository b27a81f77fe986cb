"""A TWAMP server with reflector, and a controller with sender (RFC 5357), in unauthenticated mode.

Runs in a namespace as `python twamp_peer.py serve ADDRESS` or `python twamp_peer.py control ADDRESS`. Both check what
the other end names, as routers do: a session between other addresses is refused.
"""

from __future__ import annotations

import socket
import struct
import sys

PORT = 862
PACKETS = 3
FAMILIES = {socket.AF_INET: (4, 4), socket.AF_INET6: (6, 16)}


def receive(connection: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes. Raises EOFError."""
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError(f"{len(data)} of {size} bytes")
        data += part
    return data


def packed(connection: socket.socket, host: str) -> bytes:
    return socket.inet_pton(connection.family, host).ljust(16, b"\0")


def serve(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, PORT), family=family)
    print("listening", flush=True)
    while True:
        connection, peer = listener.accept()
        with connection:
            answer(connection, peer[0], address)


def answer(connection: socket.socket, peer: str, own: str) -> None:
    connection.sendall(struct.pack("!12xI32xI12x", 1, 1024))
    assert receive(connection, 164)[:4] == b"\0\0\0\1"
    connection.sendall(bytes(16) + bytes(16) + b"\xdf" * 8 + bytes(8))
    request = receive(connection, 112)
    (sender_port,) = struct.unpack_from("!H", request, 12)
    names = request[16:32], request[32:48]
    if names != (packed(connection, peer), packed(connection, own)):
        print(f"not between us: {names}", flush=True)
        connection.sendall(b"\1" + bytes(47))
        return
    with socket.socket(connection.family, socket.SOCK_DGRAM) as reflector:
        reflector.bind((own, 0))
        port = reflector.getsockname()[1]
        connection.sendall(struct.pack("!BxH44x", 0, port))
        assert receive(connection, 32)[0] == 2
        connection.sendall(bytes(32))
        for number in range(PACKETS):
            data, source = reflector.recvfrom(2048)
            reflector.sendto(struct.pack("!I8xH2x8x", number, 1) + data, source)
        print(f"reflected, sender port {sender_port}", flush=True)
        assert receive(connection, 32)[0] == 3


def control(address: str) -> None:
    connection = socket.create_connection((address, PORT))
    version, _ = FAMILIES[connection.family]
    receive(connection, 64)
    connection.sendall(struct.pack("!I160x", 1))
    receive(connection, 48)
    own = connection.getsockname()[0]
    with socket.socket(connection.family, socket.SOCK_DGRAM) as sender:
        sender.bind((own, 0))
        head = struct.pack("!BBBBIIHH", 5, version, 0, 0, 0, 0, sender.getsockname()[1], 0)
        request = head + packed(connection, own) + packed(connection, address)
        connection.sendall(request.ljust(112, b"\0"))
        code, port = struct.unpack_from("!BxH", receive(connection, 48))
        print(f"accepted: {code}", flush=True)
        connection.sendall(b"\2" + bytes(31))
        receive(connection, 32)
        for number in range(PACKETS):
            sender.sendto(struct.pack("!I8xH27x", number, 1), (address, port))
            sender.recv(2048)
        connection.sendall(b"\3" + bytes(31))
        print("measured", flush=True)


if __name__ == "__main__":
    {"serve": serve, "control": control}[sys.argv[1]](sys.argv[2])
