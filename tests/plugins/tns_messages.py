"""Packets of Oracle Net, as clients and listeners send them."""

from __future__ import annotations

from struct import pack

from fwhelpers_plugins.tns import fwhelpers_helpers

from fwhelpers.testing import Playbook, client

(TNS,) = fwhelpers_helpers()

CONNECT, ACCEPT, REFUSE, REDIRECT, DATA, ABORT, RESEND, MARKER = 1, 2, 4, 5, 6, 9, 11, 12

DESCRIPTOR = b"(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=x))(ADDRESS=(PROTOCOL=tcp)(HOST=10.0.2.2)(PORT=1521)))"


def packet(kind: int, body: bytes = b"", *, wide: bool = False, flags: int = 0) -> bytes:
    size = len(body) + 8
    return (
        pack("!I" if wide else "!HH", *([size] if wide else [size, 0]))
        + bytes([kind, flags, 0, 0])
        + body
    )


def connect(
    data: bytes = DESCRIPTOR, version: int = 319, lowest: int = 300, *, separate: bool = False
) -> bytes:
    head = pack("!HHHHHHHHHH", version, lowest, 0, 8192, 65535, 0x4F98, 0, 1, len(data), 74)
    body = head + bytes(74 - 8 - len(head))
    if separate:
        return packet(CONNECT, body) + packet(DATA, b"\0\0" + data)
    return packet(CONNECT, body + data)


def accept(version: int = 319) -> bytes:
    return packet(ACCEPT, pack("!HHHHHHH", version, 0, 8192, 65535, 1, 0, 45) + bytes(23))


def address(host: str = "10.0.2.2", port: object = 2143, protocol: str = "tcp") -> bytes:
    return f"(ADDRESS=(PROTOCOL={protocol})(HOST={host})(PORT={port}))".encode()


def redirect(text: bytes, **options: bool) -> bytes:
    """All in one packet."""
    return packet(REDIRECT, pack("!H", len(text)) + text, **options)


def redirect_apart(text: bytes, *, parts: int = 1, stated: bool = True, **options: bool) -> bytes:
    """The text in DATA packets of its own; `stated`: the REDIRECT contains the length."""
    first = packet(REDIRECT, pack("!H", len(text) if stated else 0), **options)
    step = max(1, -(-len(text) // parts))
    return first + b"".join(
        packet(DATA, b"\0\0" + text[at : at + step], **options) for at in range(0, len(text), step)
    )


def connected(family: int = 4, **settings: object) -> Playbook:
    return Playbook(TNS, "tcp", family, **settings) >> client(connect())
