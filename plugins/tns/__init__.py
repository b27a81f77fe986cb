"""Oracle Net (TNS): a listener redirects the client to the port of a dispatcher, or to another node.

    client                     listener
      CONNECT             →
                          ←    RESEND           the client says it again
                          ←    REDIRECT         the client connects to the address in it
                          ←    ACCEPT, REFUSE   nothing more to see

The text stands in the REDIRECT itself, or in the DATA that follow it.

There is no RFC: Wireshark's packet-tns.c and Oracle's own python-oracledb (thin mode, messages/connect.pyx) are the
public descriptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import IntEnum
from functools import partial
from struct import Struct
from struct import error as StructError
from typing import Any, ClassVar, NamedTuple

from fwhelpers.api import (
    Done,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Policy,
    Refuse,
    Setting,
    StreamParser,
    hookimpl,
)
from fwhelpers.sansio.digits import decimal
from fwhelpers.sansio.hostport import parse_host

from .descriptor import Address, addresses
from .packets import HEADER, MAX_PACKET, Header, Kind, check_connect, header_of

MAX_TEXT = 8192  #: of a redirect, the connect data included
MAX_PIECES = 32  #: packets that one text comes in
MAX_ADDRESSES = 4  #: opened by one redirect


class Stage(IntEnum):
    """How far a connection is."""

    NEW = 0
    ASKED = 1  #: a CONNECT waits for its answer
    TEXT = 2  #: a REDIRECT's text is to come
    ANSWERED = 3


class Piece(NamedTuple):
    """A part of a redirect's text: its first byte's offsets in the text and in the stream."""

    at: int
    stream: int


class Tns(StreamParser):
    """A connection to a listener."""

    max_message: ClassVar[int] = MAX_PACKET

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._stage = Stage.NEW
        self._wanted = 0  # bytes of the text, 0: whatever the next DATA carries
        self._text = bytearray()
        self._pieces: list[Piece] = []
        self._at = 0  # stream offset of the server's packet in hand

    def message_size(self, data: bytearray, reply: bool) -> int:
        if len(data) < HEADER:
            return 0
        header = header_of(data)
        if not reply and self._stage is Stage.NEW and header.kind is not Kind.CONNECT:
            raise ParseError("it does not begin with CONNECT")
        return header.size

    def message(self, data: bytes, reply: bool) -> Iterator[Event]:
        header = header_of(data)
        if reply:
            yield from self._answer(header, data)
            self._at += len(data)
        elif header.kind is Kind.CONNECT:
            check_connect(header, data)
            self._forget()
            self._stage = Stage.ASKED
        # what else the client sends before ACCEPT is the connect data that did not fit into CONNECT

    # answers

    def _answer(self, header: Header, data: bytes) -> Iterator[Event]:
        if self._stage is Stage.NEW:
            raise ParseError("the server speaks first")
        if header.kind in (Kind.ACCEPT, Kind.REFUSE, Kind.ABORT):
            yield Done(header.kind.name.lower())
        elif header.kind is Kind.REDIRECT:
            yield from self._redirect(header, data)
        elif header.kind is Kind.DATA:
            yield from self._data(data)

    def _redirect(self, header: Header, data: bytes) -> Iterator[Event]:
        if self._stage is not Stage.ASKED:
            yield Refuse("G4", "REDIRECT: no CONNECT that waits for it")
            return
        if len(data) < HEADER + 2:
            raise ParseError("REDIRECT without its text's length")
        self._stage = Stage.TEXT
        self._wanted = _checked(int.from_bytes(data[HEADER : HEADER + 2], "big"))
        text = data[HEADER + 2 :][: self._wanted]
        if self._wanted and len(text) == self._wanted:
            self._forget()
            yield from self._announced(text, header, data)
        elif text:
            self._collect(text, HEADER + 2)

    def _data(self, data: bytes) -> Iterator[Event]:
        if self._stage is not Stage.TEXT or len(data) < HEADER + 2:
            raise ParseError("DATA that nothing waits for")
        # the first two bytes are flags
        text = data[HEADER + 2 :]
        if self._wanted:
            text = text[: self._wanted - len(self._text)]
        if text:
            self._collect(text, HEADER + 2)
        if self._text and len(self._text) >= self._wanted:
            yield from self._announced(bytes(self._text), None, b"")
            self._forget()

    def _collect(self, text: bytes, offset: int) -> None:
        if len(self._pieces) == MAX_PIECES:
            raise ParseError(f"a REDIRECT's text in more than {MAX_PIECES} packets")
        self._pieces.append(Piece(len(self._text), self._at + offset))
        self._text += text
        _checked(len(self._text))

    def _forget(self) -> None:
        self._wanted = 0
        self._text.clear()
        self._pieces.clear()

    # announcements

    def _announced(self, text: bytes, header: Header | None, packet: bytes) -> Iterator[Event]:
        """`header` and `packet`: the REDIRECT that has the whole text, if one has."""
        self._stage = Stage.ANSWERED
        try:
            # what follows a NUL is not for us: the client hands it to the next listener
            found = addresses(text.partition(b"\0")[0])
        except ParseError as error:
            yield Refuse("G11", f"REDIRECT: {error}")
            return
        if not found:
            yield Refuse("G11", "REDIRECT without an address")
        if len(found) > MAX_ADDRESSES:
            yield Refuse("G9", f"REDIRECT names more than {MAX_ADDRESSES} addresses")
        for address in found[:MAX_ADDRESSES]:
            event = self._event(address)
            if isinstance(address, str) or isinstance(event, Refuse):
                yield event
            elif header and len(found) == 1:
                yield _resizable(event, address, text, header, packet)
            else:
                yield self._fixed(event, address, text, packet)

    def _event(self, address: Address | str) -> Expect | Refuse:
        if isinstance(address, str):
            return Refuse("G7", f"REDIRECT: {address}")
        try:
            port = decimal(address.port.text, 65535)
        except ParseError as error:
            return Refuse("G11", f"REDIRECT: {error}")
        host = self._host(address.host.text)
        if host is None:
            return Refuse("G5", f"REDIRECT to {address.host.text[:64]!r}, which is not in `hosts`")
        return Expect(self.flow.client, Endpoint(host, port), what="REDIRECT")

    def _host(self, text: bytes) -> bytes | None:
        try:
            return parse_host(text)
        except ParseError:
            hosts: Mapping[str, bytes] = self.settings.get("hosts", {})
            return hosts.get(_name(text.decode("latin-1")))

    def _fixed(self, event: Expect, address: Address, text: bytes, packet: bytes) -> Expect:
        """One of several, or in packets of its own: no length before it can be changed, so its own must stay."""
        pieces = [Piece(0, self._at + HEADER + 2)] if packet else self._pieces
        at = _place(pieces, len(text), address)
        if at is None:
            return replace(event, span=(0, 0))  # cut in two: it can't be rewritten
        size = address.end - address.start

        def encode(end: Endpoint) -> bytes:
            new = address.fitted(text, end, size)
            if new is None and end.family == 4:
                raise ParseError(f"{end} has no room in a REDIRECT whose length can't change")
            return new or address.rewritten(text, end)

        return replace(
            event,
            # spans count from the packet in hand, the text may have begun before it
            span=(at - self._at, at - self._at + size),
            encode=encode,
            fit=partial(address.fitted, text),
        )

    # what outlives the worker:  | stage | bytes of the text that are to come (2) |

    def boundary(self, reply: bool) -> bool:
        return super().boundary(reply) and not (reply and self._pieces)

    def save(self) -> bytes:
        return _SAVED.pack(self._stage, self._wanted) if self._stage else b""

    def restore(self, state: bytes) -> None:
        if not state:
            return
        try:
            stage, wanted = _SAVED.unpack(state)
            self._stage, self._wanted = Stage(stage), _checked(wanted)
        except (StructError, ValueError):
            raise ParseError("stored state makes no sense") from None


_SAVED = Struct("!BH")


def _checked(size: int) -> int:
    if size > MAX_TEXT:
        raise ParseError(f"a REDIRECT's text of {size} bytes, they have at most {MAX_TEXT}")
    return size


# other endpoints in the place of those found


def _place(pieces: list[Piece], size: int, address: Address) -> int | None:
    """Where an address begins in the stream, None if it stands in two pieces."""
    stops = [piece.at for piece in pieces[1:]] + [size]
    for piece, stop in zip(pieces, stops, strict=True):
        if piece.at <= address.start and address.end <= stop:
            return piece.stream + address.start - piece.at
    return None


def _resizable(
    event: Expect, address: Address, text: bytes, header: Header, packet: bytes
) -> Expect:
    """The only one, in the REDIRECT itself: the rewriting begins at the packet's lengths and sets them too."""
    before = text[: address.start]

    def encode(end: Endpoint) -> bytes:
        new = address.rewritten(text, end)
        grown = len(new) - (address.end - address.start)
        size = (header.size + grown).to_bytes(4 if header.wide else 2, "big")
        wanted = (len(text) + grown).to_bytes(2, "big")
        return size + packet[len(size) : HEADER] + wanted + before + new

    def fit(end: Endpoint, size: int) -> bytes | None:
        new = address.fitted(text, end, size - HEADER - 2 - len(before))
        return None if new is None else packet[: HEADER + 2] + before + new

    return replace(event, span=(0, HEADER + 2 + address.end), encode=encode, fit=fit)


# configuration


def _name(text: str) -> str:
    return text.lower().rstrip(".")


def _hosts(value: object) -> dict[str, bytes]:
    if not isinstance(value, dict):
        raise ValueError('must be a table: { name = "address" }')
    found = {}
    for name, address in value.items():
        if not isinstance(address, str):
            raise ValueError(f"{name}: the address must be a string")
        found[_name(name)] = Endpoint.parse(address).addr
    return found


SETTINGS = (
    Setting(
        "hosts",
        {},
        "addresses of the host names that listeners redirect to; nothing is looked up",
        _hosts,
    ),
)


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """Oracle's listener on tcp/1521."""
    return [
        Helper(
            "tns",
            "tcp",
            ports=[1521],
            parser=Tns,
            policies=[
                Policy(
                    "redirect",
                    max=MAX_ADDRESSES,
                    # the client follows at once, and tries one address after the other
                    timeout=60,
                    # a cluster's common listener redirects to a node's own, which has the same port
                    ports=frozenset({1521}),
                )
            ],
            settings=SETTINGS,
            spec="Oracle Net (no RFC)",
            doc="Oracle Net listeners that redirect: shared servers, clusters",
        )
    ]
