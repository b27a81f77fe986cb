"""XDMCP packets, as Xvfb and xdm send them."""

from __future__ import annotations

from struct import pack

from fwhelpers_plugins.xdmcp import X11, fwhelpers_helpers

from fwhelpers.api import Expect
from fwhelpers.testing import Playbook

(XDMCP,) = fwhelpers_helpers()
SESSION = 0x034BFE82
OTHER = bytes.fromhex("fe8000000000000090becbfffea2ff3b")


def packet(opcode: int, body: bytes, version: int = 1) -> bytes:
    return pack("!HHH", version, opcode, len(body)) + body


def array8(text: bytes) -> bytes:
    return pack("!H", len(text)) + text


def request(own: bytes, display: int = 2, others: tuple[bytes, ...] = (OTHER,)) -> bytes:
    addresses = [own, *others]
    types = b"".join(pack("!H", 0 if len(a) == 4 else 6) for a in addresses)
    body = pack("!HB", display, len(addresses)) + types
    body += bytes([len(addresses)]) + b"".join(map(array8, addresses))
    body += array8(b"") + array8(b"") + b"\1" + array8(b"MIT-MAGIC-COOKIE-1") + array8(b"")
    return packet(7, body)


def accept(session: int = SESSION) -> bytes:
    return packet(
        8, pack("!I", session) + array8(b"") * 2 + array8(b"MIT-MAGIC-COOKIE-1") + array8(bytes(16))
    )


def manage(session: int = SESSION, display: int = 2) -> bytes:
    return packet(10, pack("!IH", session, display) + array8(b"MIT-unspecified"))


def failed(session: int = SESSION) -> bytes:
    return packet(12, pack("!I", session) + array8(b"no"))


def refused(session: int = SESSION) -> bytes:
    return packet(11, pack("!I", session))


def declined() -> bytes:
    return packet(9, array8(b"busy") + array8(b"") * 2)


def keep_alive(session: int = SESSION, display: int = 2) -> bytes:
    return packet(13, pack("!HI", display, session))


def alive(session: int = SESSION, running: int = 1) -> bytes:
    return packet(14, pack("!BI", running, session))


def windows(
    play: Playbook, display: int = 2, trigger: str = "Accept", seconds: int = 43200
) -> Expect:
    return Expect(
        play.server,
        play.client.at(X11 + display),
        l4="tcp",
        permanent=True,
        confirms_peer=True,
        timeout=seconds,
        trigger=trigger,
    )
