"""IKE messages: headers, with as many encrypted bytes as real ones have."""

from __future__ import annotations

from struct import pack

from fwhelpers_plugins.ipsec import fwhelpers_helpers

from fwhelpers.api import Expect
from fwhelpers.testing import Playbook

(IPSEC,) = fwhelpers_helpers()

SPIS = bytes.fromhex("05ac0f4d122013f45f46ee70bc4c5d0d")
OTHER_SPIS = bytes.fromhex("01000000000000000200000000000000")
NOT_YET = SPIS[:8] + bytes(8)  #: the responder has not chosen an SPI

SA_INIT, AUTH, CHILD, INFO = 34, 35, 36, 37
MAIN, AGGRESSIVE, INFO_V1, QUICK = 2, 4, 5, 32
INITIATOR, RESPONSE = 0x08, 0x20
SA, NOTIFY, ENCRYPTED, FRAGMENT = 33, 41, 46, 53


def header(
    spis: bytes, payload: int, version: int, kind: int, flags: int, number: int, size: int
) -> bytes:
    return spis + pack("!BBBBII", payload, version, kind, flags, number, size)


def ikev2(
    kind: int,
    flags: int,
    number: int = 1,
    size: int = 240,
    spis: bytes = SPIS,
    payload: int = ENCRYPTED,
    fragment: tuple[int, int] | None = None,
) -> bytes:
    """A message of IKEv2. `size` in bytes; `fragment`: its number and that of all."""
    body = pack("!BBH", 0, 0, size - 28)
    if fragment is not None:
        payload, body = FRAGMENT, body + pack("!HH", *fragment)
    body += b"\xaa" * (size - 28 - len(body))
    return header(spis, payload, 0x20, kind, flags, number, size) + body


def request(
    kind: int = AUTH, number: int = 1, size: int = 240, spis: bytes = SPIS, initiator: bool = True
) -> bytes:
    """By the initiator of the IKE SA, or by the other end."""
    return ikev2(kind, INITIATOR if initiator else 0, number, size, spis)


def answer(
    kind: int = AUTH, number: int = 1, size: int = 240, spis: bytes = SPIS, initiator: bool = True
) -> bytes:
    """The answer to `request` of the same arguments."""
    return ikev2(kind, RESPONSE | (0 if initiator else INITIATOR), number, size, spis)


def ikev1(
    kind: int = QUICK,
    size: int = 180,
    number: int = 0x652B59B3,
    spis: bytes = SPIS,
    payload: int = 8,
    flags: int = 1,
) -> bytes:
    """A message of IKEv1."""
    return header(spis, payload, 0x10, kind, flags, number, size) + b"\xaa" * (size - 28)


def esp(play: Playbook, reply: bool, trigger: str, lifetime: int = 3600) -> list[Expect]:
    """What is expected after a message in that direction."""
    client, server = play.client.at(0), play.server.at(0)
    sender, peer = (server, client) if reply else (client, server)

    def expected(source_is_peer: bool) -> Expect:
        ends = (peer, sender) if source_is_peer else (sender, peer)
        return Expect(
            *ends, l4="esp", permanent=True, timeout=lifetime, trigger=trigger,
            confirms_peer=not source_is_peer,
        )  # fmt: skip

    return [expected(True), expected(False)]
