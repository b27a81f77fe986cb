"""Packets made by hand, with right checksums computed the plain way."""

from __future__ import annotations

import socket
import struct


def plain_checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def ip4(l4: int, body: bytes, src: str, dst: str) -> bytes:
    head = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0x4000, 64, l4, 0,
        socket.inet_aton(src), socket.inet_aton(dst),
    )  # fmt: skip
    return head[:10] + struct.pack("!H", plain_checksum(head)) + head[12:] + body


def ip6(l4: int, body: bytes, src: str, dst: str) -> bytes:
    addresses = b"".join(socket.inet_pton(socket.AF_INET6, a) for a in (src, dst))
    return struct.pack("!IHBB", 0x60000000, len(body), l4, 64) + addresses + body


def _sum(addresses: bytes, l4: int, body: bytes) -> int:
    return plain_checksum(addresses + struct.pack("!II", len(body), l4) + body)


def _addresses(src: str, dst: str) -> bytes:
    family = socket.AF_INET6 if ":" in src else socket.AF_INET
    return socket.inet_pton(family, src) + socket.inet_pton(family, dst)


def tcp_body(
    data: bytes, seq: int, flags: int, src: str, dst: str, ports: tuple[int, int], ack: int = 1
) -> bytes:
    body = struct.pack("!HHIIBBHHH", *ports, seq, ack, 0x50, flags, 1000, 0, 0) + data
    return body[:16] + struct.pack("!H", _sum(_addresses(src, dst), 6, body)) + body[18:]


def udp_body(data: bytes, src: str, dst: str, ports: tuple[int, int]) -> bytes:
    body = struct.pack("!HHHH", *ports, 8 + len(data), 0) + data
    return body[:6] + struct.pack("!H", _sum(_addresses(src, dst), 17, body) or 0xFFFF) + body[8:]


def tcp4(
    data: bytes,
    seq: int = 1,
    flags: int = 0x18,
    src: str = "10.0.1.2",
    dst: str = "10.0.2.2",
    ports: tuple[int, int] = (40000, 21),
    ack: int = 1,
) -> bytes:
    return ip4(6, tcp_body(data, seq, flags, src, dst, ports, ack), src, dst)


def tcp6(
    data: bytes,
    seq: int = 1,
    flags: int = 0x18,
    src: str = "fd01::2",
    dst: str = "fd02::2",
    ports: tuple[int, int] = (40000, 21),
    ack: int = 1,
) -> bytes:
    return ip6(6, tcp_body(data, seq, flags, src, dst, ports, ack), src, dst)


def udp4(
    data: bytes, src: str = "10.0.1.2", dst: str = "10.0.2.2", ports: tuple[int, int] = (900, 111)
) -> bytes:
    return ip4(17, udp_body(data, src, dst, ports), src, dst)


def udp6(
    data: bytes, src: str = "fd01::2", dst: str = "fd02::2", ports: tuple[int, int] = (900, 111)
) -> bytes:
    return ip6(17, udp_body(data, src, dst, ports), src, dst)
