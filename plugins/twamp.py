"""TWAMP: a controller negotiates test sessions with a server, whose packets then use UDP ports of their own.

    controller, tcp                           server, 862
                                          ←   Greeting (64 bytes)
      Set-Up-Response (164)               →
                                          ←   Server-Start (48)
      Request-TW-Session (112)            →       from the controller's udp port
                                          ←   Accept-Session (48): the server's udp port
      Start-Sessions (32)                 →
                                          ←   Start-Ack (32)
      test packets over udp               ⇄
      Stop-Sessions (32)                  →

RFC 5357 §3 (control connection), RFC 4656 §3 (messages that OWAMP and TWAMP share), RFC 5938 (sessions are started and
stopped one by one), RFC 6038 (reflected octets and symmetrical size: the same sizes)

Sizes depend on the message alone, so that the stream can be cut although the server's answers have no type: they come
in the order of the commands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from struct import pack, unpack_from
from typing import Any, ClassVar, Final, NamedTuple

from fwhelpers.api import (
    Cancel,
    Done,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Policy,
    Refuse,
    Rewrite,
    StreamParser,
    hookimpl,
)
from fwhelpers.sansio import fields

PORT: Final = 862
GREETING, SET_UP, SERVER_START, COMMAND, REQUEST, ACCEPT = 64, 164, 48, 32, 112, 48  # bytes
START, STOP, REQUEST_TW, START_N, STOP_N = 2, 3, 5, 7, 9

#: commands and the bytes of the server's answer; Stop-Sessions has none
_ANSWERS: Final = {START: 32, STOP: 0, REQUEST_TW: ACCEPT}
_MAX_PENDING: Final = 5  # commands without an answer, of 3 bytes in the stored state
MAX_SESSIONS: Final = 16

_UNAUTHENTICATED: Final = 1
_SECURITY_MODES: Final = 0x0F  # the others are features, RFC 5938 and 6038


class Pending(NamedTuple):
    """A command that waits for its answer."""

    command: int
    port: int = 0  #: the controller's for the test packets; 0: the request opens nothing


class Twamp(StreamParser):
    """Parser of a control connection in unauthenticated mode. The others are encrypted."""

    max_message: ClassVar[int] = SET_UP

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._stage = [0, 0]  # messages that were read: Set-Up-Response; Greeting and Server-Start
        self._pending: deque[Pending] = deque()
        self._ended = False

    def message_size(self, data: bytearray, reply: bool) -> int:
        if self._ended:
            return len(data)
        if reply:
            return self._server_size()
        if not self._stage[0]:
            if not self._stage[1]:
                raise ParseError("the controller speaks before the server")
            return SET_UP
        if data[0] == REQUEST_TW:
            return REQUEST
        if data[0] not in (START, STOP, START_N, STOP_N):
            raise ParseError(f"command {data[0]}")
        return COMMAND if data[0] in _ANSWERS else len(data)

    def _server_size(self) -> int:
        if self._stage[1] < 2:
            return (GREETING, SERVER_START)[self._stage[1]]
        if not self._pending:
            raise ParseError("an answer without a command")
        return _ANSWERS[self._pending[0].command]

    def message(self, data: bytes, reply: bool) -> Iterable[Event]:
        if self._ended:
            return ()
        if reply:
            return self._answer(data) if self._stage[1] == 2 else self._server(data)
        return self._command(data) if self._stage[0] else self._set_up(data)

    # the beginning

    def _server(self, data: bytes) -> Iterator[Event]:
        if self._stage[1] == 0:
            # Modes follow 12 unused bytes, Count 32 bytes of challenge and salt; the rest must be zero
            modes, count = unpack_from("!I", data, 12)[0], unpack_from("!I", data, 48)[0]
            if any(data[52:]) or (modes and count & (count - 1)):
                raise ParseError("no greeting of TWAMP")
        elif any(data[:15]):
            raise ParseError("no Server-Start of TWAMP")
        elif data[15]:
            yield self._done("the server refuses the connection")
        elif not self._stage[0]:
            raise ParseError("Server-Start before the controller has chosen a mode")
        self._stage[1] += 1

    def _set_up(self, data: bytes) -> Iterator[Event]:
        self._stage[0] = 1
        (mode,) = unpack_from("!I", data)
        if mode & _SECURITY_MODES != _UNAUTHENTICATED:
            yield self._done("no session, or an encrypted one")

    # commands and answers

    def _command(self, data: bytes) -> Iterator[Event]:
        command = data[0]
        if self._stage[1] < 2:
            raise ParseError("a command before Server-Start")
        if command not in _ANSWERS:
            yield self._done("sessions are started one by one")  # their sizes vary
            return
        port = 0
        if command == REQUEST_TW:
            port = yield from self._request(data)
        elif command == STOP:
            yield Cancel()
            return
        if len(self._pending) == _MAX_PENDING:
            raise ParseError(f"more than {_MAX_PENDING} commands without an answer")
        self._pending.append(Pending(command, port))

    def _request(self, data: bytes) -> Generator[Event, None, int]:
        version = data[1] & 15
        sender_port = int.from_bytes(data[12:14], "big")
        client = self.flow.client
        if any(data[2:12]):  # RFC 5357 §3.5: the server has no part in other sessions
            yield Refuse("G3", "a session of OWAMP")
            return 0
        if version != client.family:
            yield Refuse("G7", f"a session over IP version {version}")
            return 0
        size = len(client.addr)
        sender = data[16 : 16 + size]
        if any(sender) and sender != client.addr:
            yield Refuse("G5", "another host would send", Endpoint(sender, sender_port))
            return 0
        # zeros mean the ends of the control connection
        for start in (16, 32):
            text = data[start : start + size]
            if any(text):
                yield Rewrite(Endpoint(text), (start, start + size), fields.host, fields.fit_host)
        return sender_port

    def _answer(self, data: bytes) -> Iterator[Event]:
        pending = self._pending.popleft()
        if pending.command != REQUEST_TW or not pending.port or data[0]:
            return
        (port,) = unpack_from("!H", data, 2)
        if port:
            yield Expect(
                self.flow.client, self.flow.server.at(port), l4="udp", sport=pending.port,
                span=(2, 4), encode=fields.port, fit=fields.fit_port, trigger="Accept-Session",
            )  # fmt: skip

    def _done(self, reason: str) -> Done:
        self._ended = True
        return Done(reason)

    # state:  | ended, stages | command, port of each that waits |

    def save(self) -> bytes:
        flags = self._ended << 4 | self._stage[0] << 2 | self._stage[1]
        if not flags:
            return b""
        return bytes([flags]) + b"".join(pack("!BH", *pending) for pending in self._pending)

    def restore(self, state: bytes) -> None:
        flags = state[0] if state else 0
        count, rest = divmod(len(state[1:]), 3)
        ended, stage = flags >> 4, [flags >> 2 & 3, flags & 3]
        pending = [Pending(*unpack_from("!BH", state, 1 + 3 * n)) for n in range(count)]
        invalid = rest or count > _MAX_PENDING or ended > 1 or stage[0] > 1 or stage[1] > 2
        if invalid or any(item.command not in (START, REQUEST_TW) for item in pending):
            raise ParseError("invalid stored state")
        self._ended, self._stage, self._pending = bool(ended), stage, deque(pending)


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    return [
        Helper(
            "twamp",
            "tcp",
            ports=[PORT],
            parser=Twamp,
            # sessions are requested one after another, and then started together
            policies=[Policy("test", max=MAX_SESSIONS, timeout=300)],
            spec="RFC 5357, 4656",
            doc="TWAMP: the packets of the test sessions that a controller and a server negotiate",
            client_announces=True,
        )
    ]
