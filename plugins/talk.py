"""talk (ntalk, BSD 4.3): two people type to each other, over a connection to the one who has called.

    caller                                    callee's daemon, udp 518
      LOOK_UP                             →
                                          ←   NOT_HERE
      ANNOUNCE  caller's tcp port         →       tells the callee, who starts talk as well
                                          ←   SUCCESS
    caller's daemon, udp 518                  callee
                                          ←   LOOK_UP
      SUCCESS   caller's tcp port         →
                                          ←   connects to that port

The caller repeats ANNOUNCE every half minute until somebody comes.

protocols/talkd.h (4.3BSD and its successors), talkd(8). No RFC. IPv4 only.

    request, 84 bytes:  | version | type | answer | pad | id (4) | address (16) | control address (16) | pid, names … |
    answer, 24 bytes:   | version | type | answer | pad | id (4) | address (16) |
    an address:         | family (2) | port (2) | IPv4 address (4) | unused (8) |

Fields that a message does not use have random contents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct
from typing import Any, Final

from fwhelpers.api import (
    Cancel,
    DatagramParser,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Policy,
    Refuse,
    Rewrite,
    hookimpl,
)
from fwhelpers.sansio import fields

PORT: Final = 518
LEAVE_INVITE, LOOK_UP, DELETE, ANNOUNCE = range(4)
SUCCESS: Final = 0

_VERSION: Final = 1
_REQUEST, _ANSWER = 84, 24  # bytes
_ADDRESS, _CONTROL = 8, 24  # offsets
_INET: Final = 2  # AF_INET everywhere

_FORGED: Final = (
    b"forged"  # key in the memory: the client has registered an address of the daemon's host
)

_HEAD = Struct("!BBB")
_SOCKET = Struct("!HH4s")
_PORT_AND_HOST = slice(2, 8)  # of an address


class Talk(DatagramParser):
    """Parser of a program's requests to a daemon, and of the answers."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._asked: int | None = None  # type of the request that waits for an answer
        self._answered = False  # the daemon exists: the source of a request may be forged

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        """Follow a call. Never raises ParseError: one forged datagram would withdraw what was announced."""
        if len(data) != (_ANSWER if reply else _REQUEST):
            return
        version, kind, answer = _HEAD.unpack_from(data)
        if version != _VERSION or kind > ANNOUNCE:
            return
        if reply:
            yield from self._answer(kind, answer, data)
        else:
            yield from self._request(kind, data)

    def _request(self, kind: int, data: bytes) -> Iterator[Event]:
        # the daemon answers the control address, and shows it to the callee
        for offset in (_ADDRESS, _CONTROL):
            family, port, host = _SOCKET.unpack_from(data, offset)
            if family == _INET and host == self.flow.client.addr:
                control = offset == _CONTROL and port == self.flow.client.port
                yield _rewritten(self.flow.client if control else self.flow.client.at(0), offset)
        self._asked = kind
        if kind in (LEAVE_INVITE, ANNOUNCE):
            yield from self._registered(data)
        if kind == ANNOUNCE:
            yield from self._announced(data)
        elif kind == DELETE:
            yield Cancel()

    def _registered(self, data: bytes) -> Iterator[Event]:
        """The daemon repeats a registered address in its answers. Programs register their own at their own daemon."""
        _, port, host = _SOCKET.unpack_from(data, _ADDRESS)
        if host == self.flow.server.addr != self.flow.client.addr:
            self.memory[_FORGED] = b"1"
            yield Refuse("G5", "an invitation names the daemon's host", Endpoint(host, port))

    def _announced(self, data: bytes) -> Iterator[Event]:
        """The callee's program will ask the caller's daemon for the port that is announced here."""
        family, port, host = _SOCKET.unpack_from(data, _ADDRESS)
        caller = self.flow.client.addr
        if family != _INET or host != caller:
            yield Refuse("G5", "ANNOUNCE names another host", Endpoint(host, port))
        elif not self._answered:
            yield Refuse("G4", "ANNOUNCE before the daemon has answered a request")
        else:
            yield Expect(
                self.flow.server, Endpoint(caller, PORT), policy="lookup", child=True,
                trigger="ANNOUNCE",
            )  # fmt: skip

    def _answer(self, kind: int, answer: int, data: bytes) -> Iterator[Event]:
        if kind != self._asked:
            return
        self._asked, self._answered = None, True
        if kind == ANNOUNCE and answer != SUCCESS:
            yield Cancel()  # nobody was called
        elif kind == LOOK_UP and answer == SUCCESS:
            family, port, host = _SOCKET.unpack_from(data, _ADDRESS)
            if family == _INET and _FORGED in self.memory:
                yield Refuse("G4", "the asker registers addresses", Endpoint(host, port))
            elif family == _INET:
                yield Expect(
                    self.flow.client, Endpoint(host, port), l4="tcp", policy="talk",
                    span=_span(_ADDRESS), encode=_encode, fit=_fit, trigger="LOOK_UP",
                )  # fmt: skip

    # state:  | answered | type of the request, or 255 |

    def save(self) -> bytes:
        if self._asked is None and not self._answered:
            return b""
        return bytes([self._answered, 255 if self._asked is None else self._asked])

    def restore(self, state: bytes) -> None:
        if state and not (
            len(state) == 2 and state[0] <= 1 and (state[1] <= ANNOUNCE or state[1] == 255)
        ):
            raise ParseError("invalid stored state")
        self._answered = bool(state and state[0])
        self._asked = state[1] if state and state[1] != 255 else None


def _rewritten(end: Endpoint, offset: int) -> Rewrite:
    """The control address with its port; of the other one the host alone, as its port is not the flow's."""
    if end.port:
        return Rewrite(end, _span(offset), _encode, _fit)
    return Rewrite(end, (offset + 4, offset + 8), fields.host, fields.fit_host)


def _span(offset: int) -> tuple[int, int]:
    return offset + _PORT_AND_HOST.start, offset + _PORT_AND_HOST.stop


def _encode(end: Endpoint) -> bytes:
    return end.port.to_bytes(2, "big") + end.addr


def _fit(end: Endpoint, size: int) -> bytes | None:
    text = _encode(end)
    return text if len(text) == size else None


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    return [
        Helper(
            "talk",
            "udp",
            ports=[PORT],
            parser=Talk,
            families=(4,),
            policies=[
                # Programs connect at once. A daemon stores addresses that any host registers and repeats them in its
                # answers, so only a callee counts: its question comes on a connection that ANNOUNCE has opened
                Policy("talk", max=1, timeout=60, children_only=True),
                # a person decides whether to answer
                Policy("lookup", max=1, timeout=300, min_port=PORT),
            ],
            spec="talkd(8), protocols/talkd.h",
            doc="talk: the callee's question to the caller's daemon, and the connection of the two",
            children=("udp",),
            udp_children=(_VERSION, _VERSION),
        )
    ]
