"""Writes a capture with other addresses: in headers, in text, and where a helper's parser reads them.

Lengths, sequence numbers and ports stay. Frames without a complete TCP or UDP packet are left out, and
so are link-layer addresses, IP options and unusual TCP options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from struct import pack
from typing import Any, NamedTuple

from fwhelpers.api import Endpoint, Event, Expect, Helper, Parser, Rewrite
from fwhelpers.cli.report import spellings
from fwhelpers.cli.report.addresses import AddressMap
from fwhelpers.engine.checksum import fill
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.headers import ROUTING, SYN, TCP, Segment, locate
from fwhelpers.testing import pcap
from fwhelpers.testing.fake_conntrack import tuple_of
from fwhelpers.testing.fragments import Reassembly
from fwhelpers.testing.link_layer import hardware_addresses, ip_packet, is_broadcast
from fwhelpers.testing.replay import Replay

ETHERNET = 1
MAX_GAP = 1 << 20  #: bytes; a segment farther ahead belongs to another stream

_BROADCAST, _GATEWAY, _HOST = b"\xff" * 6, b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"
_NOP = 1
#: end, no-operation, MSS, window scale, SACK permitted, SACK, timestamps (RFC 9293, RFC 7323, RFC 2018)
_TCP_OPTIONS = frozenset((0, _NOP, 2, 3, 4, 5, 8))
_MASK = 0xFFFFFFFF


class Place(NamedTuple):
    """An endpoint that a parser read; the span is relative to the bytes of the frame's new data."""

    data: bytes
    span: tuple[int, int]
    event: Expect | Rewrite


class Spy(Replay):
    """Collects the places of endpoints, by frame."""

    def __init__(self, *arguments: Any) -> None:
        self.places: dict[int, list[Place]] = {}
        self.hosts: set[bytes] = set()  #: addresses that parsers read
        super().__init__(*arguments)

    def _enable(
        self, name: str, helper: Helper, settings: Mapping[str, Any], limits: Limits
    ) -> None:
        parsers = {l4: self._spying(helper.parser_for(l4), l4) for l4 in helper.registered}
        super()._enable(name, replace(helper, parser=parsers), settings, limits)

    def _spying(self, parser: type[Parser], l4: str) -> type[Parser]:
        spy = self

        class Spying(parser):  # type: ignore[valid-type,misc]
            def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
                counts = self.__dict__.setdefault("_counts", [0, 0])
                before = counts[reply] if l4 == "tcp" else 0
                counts[reply] += len(data)
                for event in super().feed(data, reply):
                    spy._add(event, bytes(data), before)
                    yield event

        return Spying

    def _add(self, event: Event, data: bytes, before: int) -> None:
        if not isinstance(event, Expect | Rewrite):
            return
        self.hosts |= {endpoint.addr for endpoint in _endpoints(event) if endpoint.addr}
        if event.span is not None:
            span = (event.span[0] - before, event.span[1] - before)
            self.places.setdefault(self._now.frame, []).append(Place(data, span, event))


@dataclass(slots=True)
class _Stream:
    """One direction of a connection, or a datagram: bytes by offset."""

    first: int  #: sequence number of offset 0
    data: bytearray = field(default_factory=bytearray)

    def place(self, seq: int, payload: bytes) -> int | None:
        """Store a segment; return its offset, None if it does not fit to the other ones."""
        at = (seq - self.first) & _MASK
        if at > len(self.data) + MAX_GAP:
            return None
        held = bytes(self.data[at : at + len(payload)])
        fresh = held.strip(b"\0") == b""  # nothing there yet
        if not fresh and held != payload[: len(held)]:
            return None
        self.data.extend(bytes(max(0, at + len(payload) - len(self.data))))
        self.data[at : at + len(payload)] = payload
        return at


@dataclass(slots=True)
class _Packet:
    frame: pcap.Frame
    packet: bytes
    segment: Segment
    stream: _Stream
    offset: int

    @property
    def payload(self) -> bytes:
        return self.packet[self.segment.data : self.segment.end]


@dataclass(slots=True)
class Result:
    """What became of a capture."""

    numbers: dict[int, int] = field(default_factory=dict)  #: new frame numbers by the old ones
    payloads: dict[int, bytes] = field(default_factory=dict)  #: by old frame number
    omitted: int = 0  #: frames
    masked: int = 0  #: addresses overwritten with zeros, as another one does not fit
    kept: int = 0  #: addresses that a helper still reads in the new capture


def anonymise(source: Path, target: Path, addresses: AddressMap, spy: Spy, check: Spy) -> Result:
    """Write the capture `target`. Raises ValueError if the source is no capture, OSError.

    `check` replays the result: an address that is spread over two messages may have stayed.
    """
    result = Result()
    packets, frames = [], 0
    streams: dict[object, _Stream] = {}
    reassembly = Reassembly()
    for frame in pcap.read(source):
        frames += 1
        spy.frame(frame)
        packet = ip_packet(frame.link, frame.data)
        whole = reassembly.feed(packet, frame.time) if packet else None
        segment = locate(whole) if whole else None
        if whole is not None and segment is not None and not _has_routing(whole):
            packets.append(_placed(frame, whole, segment, streams))
    result.omitted = frames - len(packets)
    _replace_all(packets, addresses, spy, result)
    pcap.write(target, _written(packets, addresses, result), ETHERNET)
    for frame in pcap.read(target):
        check.frame(frame)
    replaced = {addresses.address(addr) for addr in spy.hosts}
    result.kept = len((check.hosts & spy.hosts) - replaced)
    return result


def _has_routing(packet: bytes) -> bool:
    """Return whether an IPv6 packet has a routing header, which contains addresses."""
    return packet[0] >> 4 == 6 and packet[6] in (0, ROUTING, 60)


def _placed(
    frame: pcap.Frame, packet: bytes, segment: Segment, streams: dict[object, _Stream]
) -> _Packet:
    payload = packet[segment.data : segment.end]
    if segment.l4 != TCP:
        return _Packet(frame, packet, segment, _Stream(0, bytearray(payload)), 0)
    key = tuple_of(packet, segment)
    seq = segment.seq + bool(segment.flags & SYN)
    stream = streams.get(key)
    if stream is None or segment.flags & SYN:
        stream = streams[key] = _Stream(seq)
    offset = stream.place(seq, payload)
    if offset is None:
        stream, offset = _Stream(seq, bytearray(payload)), 0
    return _Packet(frame, packet, segment, stream, offset)


def _replace_all(packets: list[_Packet], addresses: AddressMap, spy: Spy, result: Result) -> None:
    """Replace the addresses in all streams."""
    hosts = spy.hosts | {addr for packet in packets for addr in _ends(packet.packet)}
    for packet in packets:
        if packet.segment.l4 != TCP:
            hosts.update(spellings.record_addresses(packet.payload))
    members = [addr for addr in hosts if addr.strip(b"\0") and addresses.address(addr) != addr]
    by_size = (frozenset(addr for addr in members if len(addr) == size) for size in (4, 16))
    packed = [group for group in by_size if group]
    frames = (packet.frame for packet in packets)
    hardware = frozenset(a for frame in frames for a in hardware_addresses(frame.link, frame.data))
    originals: dict[int, bytes] = {}
    for packet in packets:
        stream = packet.stream
        if id(stream) not in originals:
            text = originals[id(stream)] = bytes(stream.data)
            for at, new in chain(
                addresses.edits(text, packed),
                spellings.edits(text, addresses, frozenset(members), hardware),
            ):
                result.masked += not new.strip(b"0")
                stream.data[at : at + len(new)] = new
    for packet in packets:
        original = originals[id(packet.stream)]
        for place in spy.places.get(packet.frame.number, ()):
            begin = _find(original, place.data, packet)
            if begin is not None:
                result.masked += _put(packet.stream, original, begin, place, addresses)


def _ends(packet: bytes) -> tuple[bytes, bytes]:
    first, size = (12, 4) if packet[0] >> 4 == 4 else (8, 16)
    return packet[first : first + size], packet[first + size : first + 2 * size]


def _endpoints(event: Expect | Rewrite) -> Iterator[Endpoint]:
    if isinstance(event, Rewrite):
        yield event.endpoint
    else:
        yield from (event.client, event.server)


def _find(stream: bytes, data: bytes, packet: _Packet) -> int | None:
    """Return the offset of a parser's new data, which begin within the segment."""
    end = packet.offset + len(packet.payload) + len(data)
    at = stream.find(data, packet.offset, end)
    return at if at >= 0 else None


def _put(stream: _Stream, original: bytes, at: int, place: Place, addresses: AddressMap) -> bool:
    """Replace an endpoint that a parser read; return whether it had to be overwritten with zeros."""
    begin, end = at + place.span[0], at + place.span[1]
    text = original[begin:end]
    if begin < 0 or len(text) != end - begin:
        return False
    event = place.event
    endpoint = event.endpoint if isinstance(event, Rewrite) else event.server
    new = Endpoint(addresses.address(endpoint.addr), endpoint.port) if endpoint.addr else endpoint
    if new == endpoint or event.encode is None:
        return False
    encoded: bytes | None = event.encode(new)
    if encoded == event.encode(endpoint):
        return False  # the text is a port alone
    if encoded is not None and len(encoded) != len(text):
        encoded = event.fit(new, len(text)) if event.fit else None
    if encoded is not None and len(encoded) == len(text):
        stream.data[begin:end] = encoded
        return False
    if stream.data[begin:end] != text:  # it has been replaced as text
        return False
    stream.data[begin:end] = re.sub(rb"[0-9A-Fa-f]", b"0", text)
    return True


def _written(
    packets: list[_Packet], addresses: AddressMap, result: Result
) -> Iterator[tuple[float, bytes]]:
    for number, packet in enumerate(packets, 1):
        size = len(packet.payload)
        payload = bytes(packet.stream.data[packet.offset : packet.offset + size])
        result.numbers[packet.frame.number] = number
        result.payloads[packet.frame.number] = payload
        yield packet.frame.time, _frame(packet, payload, addresses)


def _frame(packet: _Packet, payload: bytes, addresses: AddressMap) -> bytes:
    """Return an Ethernet frame with other addresses and right checksums."""
    segment = packet.segment
    data = bytearray(packet.packet[: segment.data] + payload)
    four = data[0] >> 4 == 4
    first, size = (12, 4) if four else (8, 16)
    for at in (first, first + size):
        data[at : at + size] = addresses.address(bytes(data[at : at + size]))
    if four:
        header = (data[0] & 15) * 4
        data[20:header] = bytes([_NOP]) * (header - 20)
    if segment.l4 == TCP:
        _clean_options(data, segment)
    fill(data, segment)
    target = _BROADCAST if is_broadcast(packet.frame.link, packet.frame.data) else _GATEWAY
    return target + _HOST + pack("!H", 0x0800 if four else 0x86DD) + data


def _clean_options(data: bytearray, segment: Segment) -> None:
    """Overwrite TCP options that may contain an address, such as those of Multipath TCP."""
    at = segment.transport + 20
    while at < segment.data:
        kind = data[at]
        size = 1 if kind in (0, _NOP) else data[at + 1] if at + 1 < segment.data else 0
        broken = size < 1 or at + size > segment.data or (kind not in (0, _NOP) and size < 2)
        if kind == 0 or broken:
            data[at : segment.data] = bytes(segment.data - at)
            return
        if kind not in _TCP_OPTIONS:
            data[at : at + size] = bytes([_NOP]) * size
        at += size
