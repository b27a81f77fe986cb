"""A message that is decoded by the layout of another reads as if it was decoded by itself."""

from __future__ import annotations

from struct import pack
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.kernel import conntrack, nfnl
from fwhelpers.kernel.conntrack import Tuple, encode_tuple
from fwhelpers.kernel.nla import attr, be16, be32, nest, strz
from fwhelpers.kernel.packet import Packet
from fwhelpers.kernel.packet_decoder import MAX_LAYOUTS, PacketDecoder

U32 = st.integers(0, 2**32 - 1)
PORT = st.integers(0, 65535)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A kernel's message; which attributes it has and how long they are differs."""
    size = draw(st.sampled_from([4, 16]))
    address = st.binary(min_size=size, max_size=size)
    tup = Tuple(
        draw(address), draw(address), draw(st.sampled_from([6, 17])), draw(PORT), draw(PORT)
    )
    name = draw(st.sampled_from(["rpc", "ftp", "fw-ftp"]))
    entry = [
        encode_tuple(conntrack.CTA_TUPLE_ORIG, tup),
        encode_tuple(conntrack.CTA_TUPLE_REPLY, tup),
        be16(conntrack.CTA_ZONE, draw(PORT)),
        be32(conntrack.CTA_ID, draw(U32)),
        be32(conntrack.CTA_STATUS, draw(U32)),
        be32(conntrack.CTA_TIMEOUT, draw(U32)),
        nest(conntrack.CTA_HELP, strz(1, name), attr(2, draw(st.binary(max_size=32)))),
        attr(conntrack.CTA_LABELS, draw(st.sampled_from([b"", bytes(16), b"\xff" * 16]))),
    ]
    top = [
        attr(1, pack("!IHB", draw(U32), 0x0800, draw(st.integers(1, 4)))),
        be32(5, draw(U32)),
        be32(6, draw(U32)),
        nest(11, *(a for a in entry if draw(st.integers(0, 9)))),
        be32(12, draw(st.integers(0, 4))),
    ]
    payload = draw(st.binary(max_size=40))
    body = b"".join(a for a in top if draw(st.integers(0, 9))) + pack("=HH", 4 + len(payload), 10)
    return nfnl.message(nfnl.QUEUE, 0, 0, body + payload, res_id=draw(PORT))


ATTRIBUTES = (
    "ct_id", "ctinfo", "entry", "helper", "hook", "hw_protocol", "id", "indev", "labels", "outdev", "payload",
    "queue", "status", "timeout", "tuple_orig_raw", "info", "mark", "zone",
)  # fmt: skip


def content(packet: Packet) -> dict[str, Any]:
    return {name: getattr(packet, name) for name in ATTRIBUTES}


def alone(message: bytes) -> list[dict[str, Any]]:
    return [content(packet) for packet in PacketDecoder().decode(message)]


@given(st.lists(messages(), max_size=8))
def test_the_layout_of_an_earlier_message(batch: list[bytes]) -> None:
    decoder = PacketDecoder()
    for message in [*batch, *batch]:
        assert [content(packet) for packet in decoder.decode(message)] == alone(message)
    assert len(decoder._layouts) <= MAX_LAYOUTS


@given(
    messages(), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3), st.data()
)
def test_damaged_messages(
    message: bytes, damages: list[tuple[int, int]], data: st.DataObject
) -> None:
    decoder = PacketDecoder()
    decoder.decode(message)
    damaged = bytearray(message)
    for at, byte in damages:
        damaged[at % len(damaged)] = byte
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    for other in (bytes(damaged), cut, bytes(damaged) + message, message + b"\0" * 4):
        assert [content(packet) for packet in decoder.decode(other)] == alone(other)


def test_the_usual_message_is_decoded_by_its_layout() -> None:
    decoder = PacketDecoder()
    tup = Tuple(bytes(4), bytes(4), 17, 1, 2)
    for number in range(3):
        entry = nest(11, encode_tuple(1, tup), be32(conntrack.CTA_ID, number))
        header = attr(1, pack("!IHB", number, 0x0800, 4))
        body = header + entry + pack("=HH", 4 + number, 10) + bytes(number)
        (packet,) = decoder.decode(nfnl.message(nfnl.QUEUE, 0, 0, body))
        assert (packet.id, packet.ct_id, len(packet.payload)) == (number, number, number)
    assert len(decoder._layouts) == 1
