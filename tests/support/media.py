"""An invented protocol of media: pairs of ports, names in the text, a counted body, third parties."""

from __future__ import annotations

import re
from collections.abc import Iterator

from connection import Connection, FakeMaker, payload_of

from fwhelpers.api import (
    DatagramParser,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    Policy,
    Resize,
    Rewrite,
    StreamParser,
)
from fwhelpers.engine.guard import Limits
from fwhelpers.engine.inspector import Active
from fwhelpers.engine.verdict import Verdict

_NAME = re.compile(rb"name ([0-9a-f.:]+?) (\d+)\n")
_PAIR = re.compile(rb"(pair|only|from [0-9a-f.:]+|any) (\d+)\n")
_LENGTH = re.compile(rb"length (\d+)\n")


def events(flow: Flow, data: bytes, reply: bool) -> Iterator[Event]:
    """Yield the events of lines: pair, only, any, from HOST, name HOST, length; with a number."""
    own, peer = (flow.server, flow.client) if reply else (flow.client, flow.server)
    for match in _PAIR.finditer(data):
        word, *host = match[1].decode().split()
        client = Endpoint.parse(host[0]) if host else peer
        yield Expect(
            client,
            own.at(int(match[2])),
            "udp",
            span=match.span(2),
            encode=lambda end: b"%d" % end.port,
            count=2 if word == "pair" else 1,
            sources="any" if word == "any" else "",
        )
    for match in _NAME.finditer(data):
        endpoint = Endpoint.parse(match[1].decode(), int(match[2]))
        span = (match.start(1), match.end(2))
        yield Rewrite(endpoint, span, lambda end: f"{end.host} {end.port}".encode())
    length = _LENGTH.search(data)
    if length:
        yield Resize(length.span(1), (length.end(), len(data)))


class MediaDatagrams(DatagramParser):
    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        return events(self.flow, data, reply)


class MediaStream(StreamParser):
    """A message ends with `end`."""

    def message_size(self, data: bytearray, reply: bool) -> int:
        end = data.find(b"end\n")
        return end + 4 if end >= 0 else 0

    def message(self, data: bytes, reply: bool) -> Iterator[Event]:
        return events(self.flow, data, reply)


MEDIA = Helper(
    "media",
    ("tcp", "udp"),
    [7],
    {"tcp": MediaStream, "udp": MediaDatagrams},
    [Policy("data", max=8, third_party=True)],
    client_announces=True,
)


def media(
    l4: str = "udp",
    client: str = "10.0.1.2:40000",
    server: str = "10.0.2.2:7",
    *,
    seen_client: str = "",
    seen_server: str = "",
    limits: Limits | None = None,
    maker: FakeMaker | None = None,
) -> Connection:
    """Return a connection of the protocol, `seen_*` as the other end knows it."""
    return Connection(
        MEDIA,
        l4,
        client,
        server,
        seen_client=seen_client,
        seen_server=seen_server,
        active=Active(MEDIA, {}, limits or Limits()),
        maker=maker,
    )


def text_of(verdict: Verdict, l4: str = "udp") -> bytes:
    """Return the rewritten message, empty if it passes unchanged."""
    return b"" if verdict.payload is None else payload_of(verdict, 28 if l4 == "udp" else 40)
