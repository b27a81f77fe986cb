"""Oracle Net (TNS): a listener redirects the client to a dispatcher's port, or to another node's listener.

    client                     listener
      CONNECT             →
                          ←    RESEND           the client sends it again
                          ←    REDIRECT         the client connects to the address in the text
                          ←    ACCEPT, REFUSE   end of the inspection

The text follows the REDIRECT in DATA packets, or is in the REDIRECT itself. A listener may send both, because clients
differ about which they read. The next listener may redirect again: an expected connection to one of the helper's own
ports is a control connection as well.

There is no RFC. Wireshark's packet-tns.c and Oracle's python-oracledb (thin mode, messages/connect.pyx) are the public
descriptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from struct import Struct
from struct import error as StructError
from typing import Any, ClassVar

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
from .packets import CONNECT_HEAD, HEADER, Header, Kind, check_connect, parse_header
from .rewriting import Piece, fixed, resizable

MAX_TEXT = 8192  #: bytes of a redirect's text, including the connect data
MAX_PIECES = 32  #: packets that carry one text


class Stage(IntEnum):
    """State of the connection."""

    NEW = 0
    ASKED = 1  #: a CONNECT waits for its answer
    TEXT = 2  #: the text of a REDIRECT is incomplete
    ANSWERED = 3
    INLINE = 4  #: the REDIRECT contained its text, which may follow once more in DATA


class Tns(StreamParser):
    """Parser of a connection to a listener."""

    max_message: ClassVar[int] = HEADER + 2 + MAX_TEXT

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._stage = Stage.NEW
        self._text_size = 0  # as stated by the REDIRECT; 0: the next DATA packet is the text
        self._text = bytearray()
        self._pieces: list[Piece] = []

    @property
    def buffered(self) -> int:
        return super().buffered + len(self._text)

    def message_size(self, data: bytearray, reply: bool) -> int:
        if len(data) < HEADER:
            return 0
        header = parse_header(data)
        if not reply and self._stage is Stage.NEW and header.kind is not Kind.CONNECT:
            raise ParseError("it does not begin with CONNECT")
        return min(header.size, self._relevant_size(header, reply))

    def _relevant_size(self, header: Header, reply: bool) -> int:
        if not reply:
            return CONNECT_HEAD if header.kind is Kind.CONNECT else HEADER
        if header.kind is Kind.REDIRECT or (
            header.kind is Kind.DATA and self._stage in (Stage.TEXT, Stage.INLINE)
        ):
            _check_size(header.size - HEADER - 2)
            return header.size
        return HEADER

    def message(self, data: bytes, reply: bool) -> Iterator[Event]:
        header = parse_header(data)
        self.skip(header.size - len(data), reply)
        if reply:
            yield from self._answer(header, data)
        elif header.kind is Kind.CONNECT:
            check_connect(header, data)
            self._forget_text()
            self._stage = Stage.ASKED
        # before ACCEPT other packets carry the connect data that did not fit into CONNECT

    # answers

    def _answer(self, header: Header, data: bytes) -> Iterator[Event]:
        if self._stage is Stage.NEW:
            raise ParseError("the server sends first")
        if header.kind in (Kind.ACCEPT, Kind.REFUSE, Kind.ABORT):
            yield Done(header.kind.name.lower())
        elif header.kind is Kind.REDIRECT:
            yield from self._redirect(header, data)
        elif header.kind is Kind.DATA:
            yield from self._data(data)

    def _redirect(self, header: Header, data: bytes) -> Iterator[Event]:
        if self._stage is not Stage.ASKED:
            yield Refuse("G4", "REDIRECT: no CONNECT is waiting for it")
            return
        if len(data) < HEADER + 2:
            raise ParseError("REDIRECT without the length of its text")
        self._text_size = int.from_bytes(data[HEADER : HEADER + 2], "big")
        _check_size(self._text_size)
        text = data[HEADER + 2 :][: self._text_size]
        if self._text_size and len(text) == self._text_size:
            self._stage = Stage.INLINE
            event, address = self._read(text)
            if isinstance(event, Expect) and address:
                event = resizable(event, address, text, header, data)
            yield event
            return
        self._stage = Stage.TEXT
        if text:
            self._collect(text)

    def _data(self, data: bytes) -> Iterator[Event]:
        if self._stage is Stage.ANSWERED:
            return
        if self._stage is Stage.ASKED:
            raise ParseError("DATA without a REDIRECT")
        if len(data) < HEADER + 2:
            raise ParseError("DATA without flags")
        text = data[HEADER + 2 :]
        if self._text_size:
            text = text[: self._text_size - len(self._text)]
        if text:
            self._collect(text)
        if self._text and len(self._text) >= self._text_size:
            text = bytes(self._text)
            event, address = self._read(text)
            if isinstance(event, Expect) and address:
                event = fixed(event, address, text, self._pieces, self.position(True))
            self._stage = Stage.ANSWERED
            self._forget_text()
            yield event

    def _collect(self, text: bytes) -> None:
        if len(self._pieces) == MAX_PIECES:
            raise ParseError(f"the text of a REDIRECT in more than {MAX_PIECES} packets")
        self._pieces.append(Piece(len(self._text), self.position(True) + HEADER + 2))
        self._text += text
        _check_size(len(self._text))

    def _forget_text(self) -> None:
        self._text_size = 0
        self._text.clear()
        self._pieces = []

    # the text

    def _read(self, text: bytes) -> tuple[Expect | Refuse, Address | None]:
        """Read the first address; clients try no other one.

        Old clients send what follows a NUL to the next listener; nothing in it announces an address.
        """
        try:
            address = next(iter(addresses(text.partition(b"\0")[0])), None)
            if isinstance(address, Address):
                return self._judge(address), address
        except ParseError as error:
            return Refuse("G11", f"REDIRECT: {error}"), None
        if address is None:
            return Refuse("G11", "REDIRECT without an address"), None
        return Refuse("G7", f"REDIRECT: {address}"), None

    def _judge(self, address: Address) -> Expect | Refuse:
        port = decimal(address.port.text, 65535)
        host = self._resolve(address.host.text)
        if host is None:
            return Refuse("G5", f"REDIRECT to {address.host.text[:64]!r}, which is not in `hosts`")
        return Expect(self.flow.client, Endpoint(host, port), trigger="REDIRECT")

    def _resolve(self, text: bytes) -> bytes | None:
        try:
            return parse_host(text)
        except ParseError:
            hosts: Mapping[str, bytes] = self.settings.get("hosts", {})
            return hosts.get(_normalize(text.decode("latin-1")))

    # state for another worker:  | stage | size of the text that is still to come (2) |

    def boundary(self, reply: bool) -> bool:
        return super().boundary(reply) and not (reply and self._pieces)

    def save(self) -> bytes:
        return _STATE.pack(self._stage, self._text_size) if self._stage else b""

    def restore(self, state: bytes) -> None:
        if not state:
            return
        try:
            stage, size = _STATE.unpack(state)
            self._stage, self._text_size = Stage(stage), size
            _check_size(size)
        except (StructError, ValueError):
            raise ParseError("invalid stored state") from None


_STATE = Struct("!BH")


def _check_size(size: int) -> None:
    if size > MAX_TEXT:
        raise ParseError(f"a REDIRECT's text of {size} bytes, more than {MAX_TEXT}")


# configuration


def _normalize(name: str) -> str:
    return name.lower().rstrip(".")


def _check_hosts(value: object) -> dict[str, bytes]:
    if not isinstance(value, dict):
        raise ValueError('must be a table: { name = "address" }')
    hosts = {}
    for name, address in value.items():
        if not isinstance(address, str):
            raise ValueError(f"{name}: the address must be a string")
        hosts[_normalize(name)] = Endpoint.parse(address).addr
    return hosts


SETTINGS = (
    Setting(
        "hosts",
        {},
        "addresses of host names in redirects; names are not looked up",
        _check_hosts,
    ),
)


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """Oracle listeners on tcp/1521."""
    return [
        Helper(
            "tns",
            "tcp",
            ports=[1521],
            parser=Tns,
            policies=[
                Policy(
                    "redirect",
                    max=2,  # the text in a REDIRECT and the one in DATA may differ
                    timeout=60,  # the client connects at once, or begins again at the listener
                    # a cluster's common listener redirects to a node's own, which has the same port
                    ports=frozenset({1521}),
                )
            ],
            settings=SETTINGS,
            spec="Oracle Net (no RFC)",
            doc="Oracle Net listeners that redirect: shared servers, clusters",
            redirects=True,
        )
    ]
