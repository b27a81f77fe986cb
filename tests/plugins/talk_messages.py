"""ntalk messages, with the random contents that programs leave in unused fields."""

from __future__ import annotations

from struct import pack

from fwhelpers_plugins.talk import fwhelpers_helpers

from fwhelpers.api import Endpoint
from fwhelpers.testing.playbook import CLIENT, SERVER

(TALK,) = fwhelpers_helpers()
LEAVE_INVITE, LOOK_UP, DELETE, ANNOUNCE = range(4)
NOWHERE = Endpoint(bytes(4))


def address(end: Endpoint, family: int = 2) -> bytes:
    return pack("!HH4s", family, end.port, end.addr) + b"\xaa" * 8


def request(
    kind: int = LOOK_UP,
    end: Endpoint = NOWHERE,
    control: Endpoint = CLIENT[4],
    family: int = 2,
    version: int = 1,
) -> bytes:
    head = pack("!BBBBI", version, kind, 0, 0x5A, 0xFFFFFFFF)
    names = b"alice\0".ljust(12, b"\xbb") + b"bob".ljust(12, b"\0") + bytes(16)
    return head + address(end, family) + address(control) + pack("!I", 15794) + names


def answer(
    kind: int = LOOK_UP, code: int = 1, end: Endpoint = NOWHERE, family: int = 2, version: int = 1
) -> bytes:
    return pack("!BBBBI", version, kind, code, 0x0B, 0x0D000000) + address(end, family)


LISTENS = CLIENT[4].at(47429)
CALLER = SERVER[4].at(47429)
