"""Invented protocols whose messages do what they say, for tests of the inspection."""

from __future__ import annotations

import re
from collections.abc import Iterator

from connection import Connection

from fwhelpers.api import (
    Cancel,
    DatagramParser,
    Done,
    Drop,
    Endpoint,
    Event,
    Expect,
    Helper,
    LineParser,
    ParseError,
    Policy,
    Used,
)

HOSTPORT = re.compile(rb"(?:([0-9a-f.:]+) )?(\d+)\r?\n")


class Talk(LineParser):
    """`OPEN [host] port` opens towards whoever says it; the other words do what their names say."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.count = 0

    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        word, _, rest = line.partition(b" ")
        self.count += 1
        me, other = (
            (self.flow.server, self.flow.client) if reply else (self.flow.client, self.flow.server)
        )
        if word == b"OPEN" and (match := HOSTPORT.fullmatch(rest)):
            at = (
                Endpoint.parse(match[1].decode(), int(match[2]))
                if match[1]
                else me.at(int(match[2]))
            )
            start = len(word) + 1 + match.start(1 if match[1] else 2)
            with_host = bool(match[1])

            def encode(end: Endpoint) -> bytes:
                port = b"%d" % end.port
                return end.host.encode() + b" " + port if with_host else port

            yield Expect(other, at, span=(start, len(word) + 1 + match.end(2)), encode=encode)
        elif word == b"KEEP":
            yield Expect(other, me.at(int(rest)), permanent=True)
        elif word.strip() in (b"CANCEL", b"SPENT", b"DROP", b"DONE"):
            yield {b"CANCEL": Cancel(), b"SPENT": Used(), b"DROP": Drop("asked"), b"DONE": Done()}[
                word.strip()
            ]
        elif word == b"BAD\r\n":
            raise ParseError("bad word")
        elif word == b"BUG\r\n":
            raise KeyError("bug")

    def save(self) -> bytes:
        return bytes([self.count])

    def restore(self, state: bytes) -> None:
        (self.count,) = state


class Gram(DatagramParser):
    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        for port in data.split():
            me, other = (
                (self.flow.server, self.flow.client)
                if reply
                else (self.flow.client, self.flow.server)
            )
            yield Expect(other, me.at(int(port)), permanent=True)


class Last(DatagramParser):
    """A datagram that opens ports, and then does what its last word says."""

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        *ports, word = data.split()
        for port in ports:
            yield Expect(self.flow.server, self.flow.client.at(int(port)))
        if word == b"BAD":
            raise ParseError("bad word")
        if word in (b"BUG", b"OVER"):
            yield from [Done()] * (word == b"OVER")
            raise KeyError("bug")
        yield {b"CANCEL": Cancel(), b"DONE": Done(), b"DROP": Drop("asked")}[word]


LAST = Helper("last", "udp", [7], Last, [Policy("data", max=9)])
TALK = Helper(
    "talk", ("tcp", "udp"), [7], {"tcp": Talk, "udp": Gram}, [Policy("data", max=2)],
    client_announces=True,
)  # fmt: skip
C, S = "10.0.1.2:40000", "10.0.2.2:7"
C6, S6 = "[fd01::2]:40000", "[fd02::2]:7"


def tcp(client: str = C, server: str = S, **arguments: object) -> Connection:
    return Connection(TALK, "tcp", client, server, **arguments)  # type: ignore[arg-type]
