"""GigE Vision: a host configures an industrial camera, which then sends its images to a UDP port of the host.

    host                                      camera, udp 3956 (GVCP)
      READREG, WRITEREG                   →
                                          ←   READREG_ACK, WRITEREG_ACK
      WRITEREG SCDA0 = the host's address →
      WRITEREG SCP0 = the host's port     →
                                          ←   WRITEREG_ACK
                                          ←   images to that port (GVSP)
      READREG CCP, each second            →       the host is alive
      WRITEREG SCP0 = 0                   →       the end

The row `gvcp` of plugins/discovery finds cameras by broadcast. This helper follows the control of one of them.

GigE Vision specification 2.0 §16 (GVCP headers), §28 (bootstrap registers); as in aravis, src/arvgvcpprivate.h.

    request:  | 0x42 | flags | command (2) | length (2) | id (2) | register (4), value (4) … |
    answer:   | status (2) | command + 1 (2) | length (2) | id (2) | … |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct, unpack_from
from struct import error as StructError
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

PORT: Final = 3956
READREG_ACK, WRITEREG, WRITEREG_ACK = 0x81, 0x82, 0x83
_KEY: Final = 0x42
_HEADER: Final = 8  # bytes
_MAX_DATA: Final = 540  # bytes after it: a command fits in 576 bytes with IP and UDP
_STREAMS: Final = 4  # of the 512 that a camera may have; cameras have one or two

#: register → channel; the last channel is that of messages
PORTS: Final = {0x0D00 + 0x40 * n: n for n in range(_STREAMS)} | {0x0B00: _STREAMS}
ADDRESSES: Final = {0x0D18 + 0x40 * n: n for n in range(_STREAMS)} | {0x0B10: _STREAMS}

LIFETIME: Final = 300  #: seconds after the last sign of the host's life
#: one of this many answers to READREG renews the expectations; hosts send one each second, or cameras give them up
RENEWAL: Final = 32
_ELSEWHERE: Final = "the stream goes to another host or a group"
_STATE: Final = Struct("!BHB5HB")


class Control(DatagramParser):
    """Parser of the host's commands and of the camera's answers."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._answered = False  # the source of a request may be forged
        self._reads = 0  # answers to READREG, modulo RENEWAL
        self._pending = (0, 0)  # id of a command that opened channels (bits), until it is answered
        self._ports = [0] * len(PORTS)  # of the channels; 0: closed
        self._elsewhere = 0  # channels (bits) whose destination is not this host

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        """Follow the control of a camera. Never raises ParseError: one forged datagram would end its streams."""
        if len(data) < _HEADER or not (reply or data[0] == _KEY):
            return
        head, command, length, number = unpack_from("!HHHH", data)
        if reply:
            yield from self._answer(head, command, number)
        elif command == WRITEREG and length == len(data) - _HEADER <= _MAX_DATA and not length % 8:
            yield from self._write(data, number)

    def _write(self, data: bytes, number: int) -> Iterator[Event]:
        opened = 0
        for at in range(_HEADER, len(data), 8):
            (register,) = unpack_from("!I", data, at)
            if register in ADDRESSES:
                yield from self._address(ADDRESSES[register], data[at + 4 : at + 8], at + 4)
            elif register in PORTS:
                channel, (port,) = PORTS[register], unpack_from("!H", data, at + 6)
                yield from self._close(channel, False)
                if port:
                    yield self._open(channel, port, (at + 6, at + 8))
                    opened |= bool(self._ports[channel]) << channel
        if opened:
            self._pending = (number, opened)

    def _address(self, channel: int, addr: bytes, at: int) -> Iterator[Event]:
        self._elsewhere &= ~(1 << channel)
        if addr == self.flow.client.addr:
            yield Rewrite(Endpoint(addr), (at, at + 4), fields.host, fields.fit_host)
        elif any(addr):
            self._elsewhere |= 1 << channel
            yield from self._close(channel, False)
            yield Refuse("G5", _ELSEWHERE, Endpoint(addr))

    def _open(self, channel: int, port: int, span: tuple[int, int]) -> Expect | Refuse:
        if not self._answered:
            reason = "a stream before the camera has answered"
            return Refuse("G4", reason, self.flow.client.at(port))
        if self._elsewhere >> channel & 1:
            return Refuse("G5", _ELSEWHERE, self.flow.client.at(port))
        self._ports[channel] = port
        return Expect(
            self.flow.server, self.flow.client.at(port), span=span, encode=fields.port,
            fit=fields.fit_port, permanent=True, trigger=_name(channel),
        )  # fmt: skip

    def _stream(self, channel: int, reply: bool) -> Expect:
        return Expect(
            self.flow.server, self.flow.client.at(self._ports[channel]), permanent=True,
            confirms_peer=reply, trigger=_name(channel),
        )  # fmt: skip

    def _close(self, channel: int, reply: bool) -> Iterator[Event]:
        if self._ports[channel]:
            yield Cancel(want=self._stream(channel, reply))
            self._ports[channel] = 0

    def _answer(self, status: int, command: int, number: int) -> Iterator[Event]:
        self._answered = True
        if command == WRITEREG_ACK and number == self._pending[0]:
            opened, self._pending = self._pending[1], (0, 0)
            for channel in range(len(self._ports)):
                if status and opened >> channel & 1:
                    yield from self._close(channel, True)
        elif command == READREG_ACK:
            self._reads = (self._reads + 1) % RENEWAL
            if not self._reads:
                yield from (self._stream(n, True) for n, port in enumerate(self._ports) if port)

    # state:  | answered (128), READREG answers | id, channels that wait | ports | channels of others |

    def save(self) -> bytes:
        if not self._answered and not self._elsewhere:
            return b""
        return _STATE.pack(
            self._answered << 7 | self._reads, *self._pending, *self._ports, self._elsewhere
        )

    def restore(self, state: bytes) -> None:
        if not state:
            return
        try:
            head, number, opened, *ports, elsewhere = _STATE.unpack(state)
        except StructError:
            raise ParseError("invalid stored state") from None
        if head & 0x7F >= RENEWAL or (opened | elsewhere) >> len(ports):
            raise ParseError("invalid stored state")
        self._answered, self._reads = bool(head >> 7), head & 0x7F
        self._pending, self._ports, self._elsewhere = (number, opened), ports, elsewhere


def _name(channel: int) -> str:
    return f"SCP{channel}" if channel < _STREAMS else "MCP"


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    return [
        Helper(
            "gvsp",
            "udp",
            ports=[PORT],
            parser=Control,
            families=(4,),
            policies=[Policy("stream", max=len(PORTS), timeout=LIFETIME)],
            spec="GigE Vision 2.0",
            doc="industrial cameras (GigE Vision): their images and messages to the host that controls them",
        )
    ]
