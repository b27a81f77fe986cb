"""XDMCP: a display manager on the server opens windows on the client's X display.

    display                              manager, udp 177
      Query                         →
                                    ←    Willing
      Request display n, addresses  →
                                    ←    Accept session s
      Manage s, n                   →
                                    ←    connects to tcp 6000 + n, several times during the session
      KeepAlive n, s                →
                                    ←    Alive

The row `xdmcp` of plugins/discovery finds managers by broadcast. This helper follows the session with one of them.

X Display Manager Control Protocol 1.1 (X Consortium Standard) §5 (packets), §3 (KeepAlive)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import unpack_from
from typing import Any

from fwhelpers.api import (
    Cancel,
    DatagramParser,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    Keep,
    ParseError,
    Policy,
    Refuse,
    Rewrite,
    Setting,
    hookimpl,
)
from fwhelpers.sansio import fields

REQUEST, ACCEPT, DECLINE, REFUSE, FAILED, ALIVE = 7, 8, 9, 11, 12, 14
_HEADER = 6  # version, opcode, length
_VERSION = 1

X11 = 6000  #: port of display 0
MAX_DISPLAY = 63
#: Displays are silent while their windows are in use (os/xdmcp.c: keepaliveDormancy), so that nothing renews the
#: expectation during a day's work
SESSION = 43200
_DAY = 86400


class Session(DatagramParser):
    """Parser of a display's packets to a manager and of the answers."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._display: int | None = None  # of the last Request
        self._session: int | None = None  # that the manager accepted

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        """Follow a session. Never raises ParseError: one forged datagram would close a display for the day."""
        if len(data) < _HEADER:
            return
        version, opcode, length = unpack_from("!HHH", data)
        if version != _VERSION or length != len(data) - _HEADER:  # all programs ignore it as well
            return
        if opcode == REQUEST and not reply:
            yield from self._request(data)
        elif reply:
            yield from self._answer(opcode, data)

    def _request(self, data: bytes) -> Iterator[Event]:
        try:
            display, addresses = _read_request(data)
        except ParseError as error:
            yield Refuse("G11", str(error))
            return
        self._display = self._session = None
        if display > MAX_DISPLAY:
            reason = f"display {display} is above {MAX_DISPLAY}"
            yield Refuse("G6", reason, self.flow.client.at(min(X11 + display, 65535)))
            return
        self._display = display
        # the manager connects to an address that the display lists, not to the packet's source
        own = self.flow.client.addr
        for begin, end in addresses:
            if data[begin:end] == own:
                yield Rewrite(Endpoint(own), (begin, end), fields.host, fields.fit_host)

    def _answer(self, opcode: int, data: bytes) -> Iterator[Event]:
        if opcode == ACCEPT and self._display is not None and len(data) >= _HEADER + 4:
            (self._session,) = unpack_from("!I", data, _HEADER)
            yield from self._opened("Accept")
        elif opcode == ALIVE and len(data) == _HEADER + 5:
            running, session = unpack_from("!BI", data, _HEADER)
            if session == self._session and running:
                yield from self._opened("Alive")
            elif session == self._session or not running:
                yield from self._ended()
        elif self._rejects(opcode, data):
            yield from self._ended()

    def _rejects(self, opcode: int, data: bytes) -> bool:
        if opcode == DECLINE:  # it answers a Request, and names no session
            return self._session is None
        named = data[_HEADER : _HEADER + 4]
        session = int.from_bytes(named, "big") if len(named) == 4 else None
        return opcode in (REFUSE, FAILED) and session is not None and session == self._session

    def _opened(self, trigger: str) -> Iterator[Event]:
        assert self._display is not None
        seconds = self.settings.get("session", SESSION)
        yield Expect(
            self.flow.server, self.flow.client.at(X11 + self._display), l4="tcp", permanent=True,
            confirms_peer=True,  # the display has announced itself by its Request
            timeout=seconds, trigger=trigger,
        )  # fmt: skip
        yield Keep(seconds)

    def _ended(self) -> Iterator[Event]:
        # without an accepted session too: that of an earlier Request may be open
        if self._display is not None:
            yield Cancel()
        self._display = self._session = None

    # state: display + 1, or 0 | 1: accepted | session

    def save(self) -> bytes:
        if self._display is None:
            return b""
        accepted = self._session is not None
        return bytes([self._display + 1, accepted]) + (self._session or 0).to_bytes(4, "big")

    def restore(self, state: bytes) -> None:
        self._display = self._session = None
        if not state:
            return
        if len(state) != 6 or not 1 <= state[0] <= MAX_DISPLAY + 1 or state[1] > 1:
            raise ParseError("invalid stored state")
        self._display = state[0] - 1
        self._session = int.from_bytes(state[2:], "big") if state[1] else None


def _read_request(data: bytes) -> tuple[int, list[tuple[int, int]]]:
    """Return the display and the places of its addresses: CARD16, ARRAY16 of types, ARRAYofARRAY8 of addresses."""
    if len(data) < _HEADER + 4:
        raise ParseError("Request is too short")
    (display,) = unpack_from("!H", data, _HEADER)
    at = _HEADER + 3 + 2 * data[_HEADER + 2]
    if at >= len(data):
        raise ParseError("Request without addresses")
    addresses = []
    count, at = data[at], at + 1
    for _ in range(count):
        if at + 2 > len(data):
            raise ParseError("Request ends within its addresses")
        (size,) = unpack_from("!H", data, at)
        addresses.append((at + 2, at + 2 + size))
        at += 2 + size
    if at > len(data):
        raise ParseError("Request ends within its addresses")
    return display, addresses


def _seconds(value: object) -> int:
    if type(value) is not int or not 60 <= value <= _DAY:
        raise ValueError(f"must be seconds from 60 to {_DAY}", "for example 43200, twelve hours")
    return value


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    return [
        Helper(
            "xdmcp-x11",
            "udp",
            ports=[177],
            parser=Session,
            policies=[Policy("x11", max=1, timeout=_DAY)],
            settings=[
                Setting(
                    "session", SESSION, "seconds in which the manager may open windows", _seconds
                )
            ],
            spec="XDMCP 1.1",
            doc="X display managers: their connections to the display (6000 and its number)",
        )
    ]
