"""SANE network protocol: each image has a data connection of its own.

    client                       saned, port 6566
      START handle          →
                            ←    status, port, byte order, resource
      connects to port      →                                            the image

Only the reply to START contains the port. Replies can be parsed only with their requests, and requests have no common
framing, so all requests and replies are parsed. SANE Standard 1.06 chapter 5; saned.c and net.c of sane-backends.
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
    KernelHelper,
    ParseError,
    Parser,
    Policy,
    Refuse,
    hookimpl,
)

from . import wire
from .wire import Reading, Wire

MAX_PENDING = 16  #: requests without a reply

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
    """Parser of a control connection to saned."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._pending: deque[Request] = deque()
        self._authorizing = False  # the first pending request waits for a name and a password
        self._version = 0  # of the network protocol, from the reply to INIT
        self._initialized = False
        self._between = [True, True]
        self._events: list[Event] = []
        self._wires = (Wire(self._requests()), Wire(self._replies()))

    @property
    def buffered(self) -> int:
        return sum(wire.buffered for wire in self._wires)

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        for _ in self._wires[reply].feed(data):
            events, self._events = self._events, []
            yield from events

    # requests

    def _requests(self) -> Reading[None]:
        while True:
            self._between[False] = True
            request = self._check_number((yield from wire.word()))
            self._between[False] = False
            yield from self._arguments(request)
            self._add(request)

    def _check_number(self, number: int) -> Request:
        if not self._initialized and number != Request.INIT:
            raise ParseError("it does not begin with INIT")
        try:
            return Request(number)
        except ValueError:
            raise ParseError(f"unknown request {number}") from None

    def _arguments(self, request: Request) -> Reading[None]:
        if request is Request.INIT:
            version = yield from wire.word()
            if version >> 24 != _MAJOR:
                raise ParseError(f"unknown version {version >> 24}")
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

    def _add(self, request: Request) -> None:
        self._initialized = True
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
                raise ParseError("a reply without a request")
            yield from self._reply(self._pending.popleft(), first)

    def _reply(self, request: Request, first: int) -> Reading[None]:
        """Parse the rest of a reply. `first` is its first word, in most replies the status."""
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
            resource = yield from self._start(first)
        # more than a NUL: saned asks for a name and a password, then sends the reply again
        if resource > 1:
            self._pending.appendleft(request)
            self._authorizing = True

    def _options(self, count: int) -> Reading[None]:
        # this reply begins with the length of the array, not with a status
        if count > wire.MAX_ELEMENTS:
            raise ParseError(f"an array of {count} elements")
        for _ in range(count):
            yield from wire.pointer(wire.option)

    def _start(self, status: int) -> Reading[int]:
        at = self._wires[True].position
        port = yield from wire.word()
        order = yield from wire.word()
        resource = yield from wire.string()
        if status == 0 and resource <= 1:
            if order not in _BYTE_ORDERS:
                raise ParseError(f"unknown byte order {order:#x}")
            self._events.append(self._announce(port, at))
        return resource

    def _announce(self, port: int, at: int) -> Event:
        if not 0 < port <= 0xFFFF:
            return Refuse("G11", f"port {port} does not exist", self.flow.server)
        return Expect(
            self.flow.client,
            self.flow.server.at(port),
            span=(at, at + 4),
            encode=lambda end: end.port.to_bytes(4, "big"),
            trigger="START",
        )

    # state for another worker:  | initialized, authorizing | version (2 bytes) | pending requests |

    def boundary(self, reply: bool) -> bool:
        return self._between[reply] and self._wires[reply].between

    def save(self) -> bytes:
        flags = self._initialized | self._authorizing << 1
        return bytes((flags, *self._version.to_bytes(2, "big"), *self._pending))

    def restore(self, state: bytes) -> None:
        if not state:
            return
        valid = all(number <= max(Request) for number in state[3:])
        if not 3 <= len(state) <= 3 + MAX_PENDING or state[0] > 3 or not valid:
            raise ParseError("invalid stored state")
        self._initialized, self._authorizing = bool(state[0] & 1), bool(state[0] & 2)
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
            # saned waits for four seconds: saned.c, DATA_CONNECT_TIMEOUT
            policies=[Policy("data", max=1, timeout=30)],
            spec="SANE Standard 1.06 §5",
            doc="network scanners: the data connection of an image",
            kernel=[KernelHelper("sane", "tcp", "nf_conntrack_sane")],
        )
    ]
