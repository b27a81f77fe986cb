from __future__ import annotations

import pytest
from connection import FakePacket

from fwhelpers.api import Endpoint, Expect
from fwhelpers.engine.announced_text import AnnouncedText
from fwhelpers.engine.announcement import MessageContext
from fwhelpers.engine.guard import Refused
from fwhelpers.engine.mangle import Edit
from fwhelpers.kernel.conntrack import Tuple

CLIENT = Endpoint.parse("10.0.1.2", 3000)
VISIBLE = Endpoint.parse("192.0.2.1", 3000)
DATA = b"OPEN 10.0.1.2 3000\r\n"


def encode(endpoint: Endpoint) -> bytes:
    return f"{endpoint.host} {endpoint.port}".encode()


def fit(endpoint: Endpoint, size: int) -> bytes | None:
    return encode(endpoint).ljust(size) if len(encode(endpoint)) <= size else None


def text(
    data: bytes = DATA, base: int = 0, fixed_length: bool = False, **fields: object
) -> AnnouncedText:
    event = Expect(CLIENT, CLIENT, **{"span": (5, 18), "encode": encode, **fields})  # type: ignore[arg-type]
    tup = Tuple(bytes(4), bytes(4), 6, 0, 0)
    packet = FakePacket(b"", tup, tup, 0, "talk")
    return AnnouncedText(event, MessageContext(packet.decode(), False, data, base, fixed_length))


def test_another_endpoint_is_written_in_its_place() -> None:
    assert text().edit(VISIBLE) == Edit(5, 18, b"192.0.2.1 3000")
    assert text(b"x" + DATA, base=-1).edit(VISIBLE) == Edit(5, 18, b"192.0.2.1 3000")


def test_the_same_endpoint_needs_no_edit() -> None:
    assert text().edit(CLIENT) is None
    assert text(b"OPEN 192.0.2.1 3000", span=(5, 19)).edit(VISIBLE) is None


def test_only_a_text_with_a_place_and_an_encoder_is_movable() -> None:
    assert text().movable
    assert not text(span=None).movable
    assert not text(encode=None).movable


def test_without_an_encoder_a_translated_address_is_refused() -> None:
    with pytest.raises(Refused, match="can't be rewritten"):
        text(encode=None).edit(VISIBLE)


@pytest.mark.parametrize(("data", "base"), [(DATA[8:], 8), (DATA[:12], 0)])
def test_a_text_that_is_not_wholly_in_the_packet_is_refused(data: bytes, base: int) -> None:
    with pytest.raises(Refused, match="has passed"):
        text(data, base).edit(VISIBLE)


def test_a_fixed_length_is_kept_or_the_announcement_refused() -> None:
    with pytest.raises(Refused, match="length"):
        text(fixed_length=True).edit(VISIBLE)
    with pytest.raises(Refused, match="length"):
        text(fixed_length=True, fit=fit).edit(VISIBLE)
    short = Endpoint.parse("9.0.0.1", 3000)
    assert text(fixed_length=True, fit=fit).edit(short) == Edit(5, 18, b"9.0.0.1 3000 ")
