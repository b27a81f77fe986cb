"""SANE network protocol: a scanner's pictures come by a connection of their own.

    client                       saned, port 6566
      START handle          →
                            ←    status, port, byte order, resource
      connects to port      →                                            the picture

The picture's port is told by the reply to START alone. A reply can only be read by who knows which request it answers,
and a request only begins where the one before has ended, so all of both are read. SANE Standard 1.06 chapter 5; saned.c
and net.c of sane-backends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

from fwhelpers.api import (
    Cancel,
    Done,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Parser,
    Policy,
    Refuse,
    hookimpl,
)

from . import wire
from .wire import Reading, Wire

MAX_PENDING = 16  #: requests whose replies have not come

_MAJOR = 1  # SANE Standard §4.1
_SET_AUTO = 2  # §4.4.5
_BYTE_ORDERS = (0x1234, 0x4321)  # §5.2.8
_NO_VALUE_SINCE = 3  # version of the network protocol: sanei_net.c, sanei_w_control_option_req()


class Request(IntEnum):
    """Procedure numbers, SANE Standard §5.2."""

    INIT = 0
    GET_DEVICES = 1
    OPEN = 2
    CLOSE = 3
    GET_OPTION_DESCRIPTORS = 4
    CONTROL_OPTION = 5
    GET_PARAMETERS = 6
    START = 7
    CANCEL = 8
    AUTHORIZE = 9
    EXIT = 10


class Sane(Parser):
    """A control connection to saned."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._pending: deque[Request] = deque()
        self._authorizing = False  # the first of them waits for a name and a password
        self._version = 0  # of the network protocol, as agreed in INIT
        self._begun = False
        self._between = [True, True]
        self._events: list[Event] = []
        self._wires = (Wire(self._requests()), Wire(self._replies()))

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        for _ in self._wires[reply].put(data):
            events, self._events = self._events, []
            yield from events

    # requests

    def _requests(self) -> Reading[None]:
        while True:
            self._between[False] = True
            request = self._known((yield from wire.word()))
            self._between[False] = False
            yield from self._arguments(request)
            self._asked(request)

    def _known(self, number: int) -> Request:
        if not self._begun and number != Request.INIT:
            raise ParseError("it does not begin with INIT")
        try:
            return Request(number)
        except ValueError:
            raise ParseError(f"request {number} is not known") from None

    def _arguments(self, request: Request) -> Reading[None]:
        if request is Request.INIT:
            version = yield from wire.word()
            if version >> 24 != _MAJOR:
                raise ParseError(f"version {version >> 24} is not known")
            yield from wire.string()
        elif request is Request.OPEN:
            yield from wire.string()
        elif request is Request.AUTHORIZE:
            for _ in ("resource", "name", "password"):
                yield from wire.string()
        elif request is Request.CONTROL_OPTION:
            yield from wire.words(2)
            action = yield from wire.word()
            if action != _SET_AUTO or self._version < _NO_VALUE_SINCE:
                yield from wire.value()
        elif request not in (Request.GET_DEVICES, Request.EXIT):
            yield from wire.word()  # the handle

    def _asked(self, request: Request) -> None:
        self._begun = True
        if request is Request.EXIT:
            self._events.append(Done("exit"))
        elif len(self._pending) >= MAX_PENDING:
            raise ParseError(f"more than {MAX_PENDING} requests without a reply")
        elif request is Request.AUTHORIZE and self._authorizing:
            self._authorizing = False
            self._pending.appendleft(request)
        else:
            self._pending.append(request)
        if request in (Request.CANCEL, Request.CLOSE):
            self._events.append(Cancel())

    # replies

    def _replies(self) -> Reading[None]:
        while True:
            self._between[True] = True
            first = yield from wire.word()
            self._between[True] = False
            if not self._pending or self._authorizing:
                raise ParseError("a reply to no request")
            yield from self._reply(self._pending.popleft(), first)

    def _reply(self, request: Request, first: int) -> Reading[None]:
        """`first` is the status, or what stands in its place."""
        resource = 0
        if request is Request.INIT:
            self._version = (yield from wire.word()) & 0xFFFF
        elif request is Request.GET_DEVICES:
            yield from wire.array(lambda: wire.pointer(wire.device))
        elif request is Request.OPEN:
            yield from wire.word()
            resource = yield from wire.string()
        elif request is Request.GET_OPTION_DESCRIPTORS:
            yield from self._options(first)
        elif request is Request.CONTROL_OPTION:
            yield from wire.word()
            yield from wire.value()
            resource = yield from wire.string()
        elif request is Request.GET_PARAMETERS:
            yield from wire.words(6)
        elif request is Request.START:
            resource = yield from self._started(first)
        if (
            resource > 1
        ):  # more than a NUL: saned wants a name and a password, then says the reply again
            self._pending.appendleft(request)
            self._authorizing = True

    def _options(self, count: int) -> Reading[None]:
        # this reply has no status, the array's length comes first
        if count > wire.MAX_ELEMENTS:
            raise ParseError(f"an array of {count} elements")
        for _ in range(count):
            yield from wire.pointer(wire.option)

    def _started(self, status: int) -> Reading[int]:
        at = self._wires[True].position
        port = yield from wire.word()
        order = yield from wire.word()
        resource = yield from wire.string()
        if status == 0 and resource <= 1:
            if order not in _BYTE_ORDERS:
                raise ParseError(f"byte order {order:#x} is not known")
            self._events.append(self._announced(port, at))
        return resource

    def _announced(self, port: int, at: int) -> Event:
        if not 0 < port <= 0xFFFF:
            return Refuse("G11", f"port {port} does not exist", self.flow.server)
        return Expect(
            self.flow.client,
            self.flow.server.at(port),
            span=(at, at + 4),
            encode=lambda end: end.port.to_bytes(4, "big"),
            what="START",
        )

    # what outlives the worker:  | begun, authorizing | version (2 bytes) | requests without reply |

    def boundary(self, reply: bool) -> bool:
        return self._between[reply] and self._wires[reply].between

    def save(self) -> bytes:
        flags = self._begun | self._authorizing << 1
        return bytes((flags, *self._version.to_bytes(2, "big"), *self._pending))

    def restore(self, state: bytes) -> None:
        if not state:
            return
        known = all(number <= max(Request) for number in state[3:])
        if not 3 <= len(state) <= 3 + MAX_PENDING or state[0] > 3 or not known:
            raise ParseError("stored state makes no sense")
        self._begun, self._authorizing = bool(state[0] & 1), bool(state[0] & 2)
        self._version = int.from_bytes(state[1:3], "big")
        self._pending = deque(map(Request, state[3:]))


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """saned on tcp/6566."""
    return [
        Helper(
            "sane",
            "tcp",
            ports=[6566],
            parser=Sane,
            # saned itself waits for four seconds: saned.c, DATA_CONNECT_TIMEOUT
            policies=[Policy("data", max=1, timeout=30)],
            spec="SANE Standard 1.06 §5",
            doc="scanners of other machines: the connection for the picture",
        )
    ]
