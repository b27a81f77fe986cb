"""IRC: a client offers a file or a chat, and another person's client connects to it (DCC).

    client                                                   server
      NICK a / USER …                                     →
      PRIVMSG b :\\x01DCC SEND name address port size\\x01     →       b's client connects to the address
                                                          ←   :b!… PRIVMSG a :\\x01DCC RESUME name port position\\x01
      PRIVMSG b :\\x01DCC ACCEPT name port position\\x01       →       b's client connects now

The server passes the message on, so that nobody knows the other client's address. The port is opened for any host, if
the configuration says so with guard.address = "any-src"; otherwise it is refused. Offers of others, which come from
the server, lead to connections that this client opens itself.

RFC 1459 and 2812 §2.3 (lines), IRCv3 (message tags, STARTTLS); for CTCP and DCC see `dcc`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from struct import error as StructError
from struct import unpack
from typing import Any, ClassVar

from fwhelpers.api import (
    Done,
    Event,
    Expect,
    Flow,
    Helper,
    KernelHelper,
    LineParser,
    ParseError,
    Policy,
    Refuse,
    hookimpl,
)

from .dcc import (
    Offer,
    encode_offer,
    encode_port,
    fit_offer,
    fit_port,
    read_accept,
    read_offer,
)

#: RFC 2812 §2.3; servers cut longer lines off. The tags before a line (IRCv3) may have 4096 bytes more
MAX_TEXT = 512
MAX_LINE = 4096 + MAX_TEXT
MAX_OFFERS = 8  #: offers of a connection that ACCEPT may renew

_TLS_HANDSHAKE = 0x16

#: commands that may open a connection (safety rule G2); no method of HTTP or SIP is among them
_OPENING_COMMANDS = frozenset(
    b"AUTHENTICATE CAP NICK NOTICE PASS PING PONG PRIVMSG PROTOCTL QUIT SERVER SERVICE STARTTLS USER WEBIRC".split()
)
# RFC 2812 §2.3.1 has single blanks; servers accept several, and blanks at the beginning
_LINE = re.compile(
    rb" *(?:@[^ \r\n]+ +)?(?P<text>(?::[^ \r\n]+ +)?(?P<command>[A-Za-z]+)(?: [^\r\n]*)?)\r?\n"
)
_REQUEST = re.compile(
    rb"(?::[^ ]+ +)?PRIVMSG +[^ :]+ +:\x01DCC (?P<kind>[A-Za-z]+) (?P<arguments>[^\x01\0]+)\x01",
    re.IGNORECASE,
)

_HINT = 'any host could connect; guard.address = "any-src" in [helpers.irc] allows it'


class Irc(LineParser):
    """Parser of a client's connection to a server. It reads the client's lines only."""

    max_message: ClassVar[int] = MAX_LINE

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._opened = False  # the first line was read
        self._ended = False
        self._oversized = False  # within a line that is longer than MAX_LINE
        self._ports: list[int] = []  # of the offers, the oldest first

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        return iter(()) if reply or self._ended else super().feed(data, reply)

    def message_size(self, data: bytearray, reply: bool) -> int:
        if self._ended or (not self._oversized and data[0] == _TLS_HANDSHAKE):
            return len(data)
        # binary protocols may never send a line end: check the first byte at once
        if not self._opened and not (data[:1].isalpha() or data[0] in b" :@\r\n"):
            raise ParseError("not IRC")
        try:
            return super().message_size(data, reply) or self._oversize(data)
        except ParseError:
            return data.index(b"\n") + 1

    def _oversize(self, data: bytearray) -> int:
        if len(data) <= MAX_LINE:
            return 0
        self._searched[0] = 0
        return len(data)

    def line(self, line: bytes, reply: bool) -> Iterable[Event]:
        if self._ended:
            return
        oversized = self._oversized or len(line) > MAX_LINE
        if not self._oversized and line[0] == _TLS_HANDSHAKE:
            self._ended = True
            yield Done("TLS")
            return
        self._oversized = not line.endswith(b"\n")
        if oversized:
            self._check_opening(b"")
        elif line.strip():
            yield from self._line(line)

    def _line(self, line: bytes) -> Iterator[Event]:
        match = _LINE.fullmatch(line)
        self._check_opening(match["command"].upper() if match else b"")
        request = match and _REQUEST.fullmatch(match["text"])
        if match and request:
            begin = match.start("text") + request.start("arguments")
            kind = request["kind"].upper()
            if len(line) - match.start("text") > MAX_TEXT:
                yield Refuse("G11", f"DCC in a line of more than {MAX_TEXT} bytes")
            else:
                yield from self._request(kind, request["arguments"], begin)

    def _check_opening(self, command: bytes) -> None:
        if not self._opened and command not in _OPENING_COMMANDS:
            raise ParseError(f"not IRC: the client begins with {command[:16]!r}")
        self._opened = True

    def _request(self, kind: bytes, arguments: bytes, start: int) -> Iterator[Event]:
        name = f"DCC {kind.decode()[:16]}"
        try:
            offer = read_offer(kind, arguments, start)
        except ParseError as error:
            yield Refuse("G11", f"{name}: {error}")
            return
        if offer is not None and not offer.passive:
            yield self._judge(offer, name)
        for port, begin, end in read_accept(kind, arguments, start):
            if port in self._ports:
                yield self._renewed(port, (begin, end), name)
                break

    def _judge(self, offer: Offer, name: str) -> Expect | Refuse:
        own = self.flow.client.addr
        if len(offer.endpoint.addr) != len(own):
            return Refuse("G7", f"{name}: address of another family", offer.endpoint)
        if offer.endpoint.addr != own:
            # guard.address = "any-src" is about the source: it must not allow other destinations
            return Refuse("G5", f"{name}: the address is not the client's", offer.endpoint)
        if offer.endpoint.port > 65535:
            return Refuse(
                "G6", f"{name}: port {offer.endpoint.port} does not exist", offer.endpoint
            )
        if self.address != "any-src":
            return Refuse("G8", f"{name}: {_HINT}", offer.endpoint)
        port = offer.endpoint.port
        self._ports = [*(other for other in self._ports if other != port), port][-MAX_OFFERS:]
        return Expect(
            self.flow.server, offer.endpoint, span=(offer.begin, offer.end), encode=encode_offer,
            fit=fit_offer, sources="any", trigger=name,
        )  # fmt: skip

    def _renewed(self, port: int, span: tuple[int, int], name: str) -> Expect:
        return Expect(
            self.flow.server, self.flow.client.at(port), span=span, encode=encode_port,
            fit=fit_port, sources="any", trigger=name,
        )  # fmt: skip

    # loss and state:  | 1: opened, 2: ended | ports of offers (2 each) |

    def resync(self, reply: bool) -> bool:
        return reply  # the server's lines are not read

    def boundary(self, reply: bool) -> bool:
        return reply or (super().boundary(reply) and not self._oversized)

    def save(self) -> bytes:
        ports = b"".join(port.to_bytes(2, "big") for port in self._ports)
        return bytes([2 if self._ended else 1]) + ports if self._opened or self._ended else b""

    def restore(self, state: bytes) -> None:
        try:
            stage, *ports = unpack(f"!B{len(state) // 2}H", state) if state else (0,)
        except StructError:
            raise ParseError("invalid stored state") from None
        if stage > 2 or len(ports) > MAX_OFFERS or 0 in ports:
            raise ParseError("invalid stored state")
        self._opened, self._ended, self._ports = stage > 0, stage == 2, ports


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """IRC servers on tcp/6667 and the other usual ports without TLS."""
    return [
        Helper(
            "irc",
            "tcp",
            ports=[6667, 194, *range(6660, 6667), 6668, 6669, 7000],
            parser=Irc,
            # a person decides whether to take the file: minutes may pass
            policies=[Policy("dcc", max=MAX_OFFERS, timeout=300, third_party=True)],
            spec="RFC 2812, CTCP, DCC",
            doc="IRC: files and chats between clients (DCC); opens nothing unless guard.address allows any source",
            client_announces=True,
            kernel=[KernelHelper("irc", "tcp", "nf_conntrack_irc", "nf_nat_irc", families=(4,))],
        )
    ]
