"""EtherNet/IP: a controller opens a connection to a device, and both then exchange inputs and outputs over UDP.

    originator                                target, tcp 44818
      Forward_Open                        →       its port for inputs, if it is not 2222
                                          ←   success, the target's port for outputs
      outputs (O→T), udp, each few ms     →   port 2222
      port 2222                           ←   inputs (T→O), udp
      Forward_Close                       →

The row `enip` of plugins/discovery finds devices by broadcast. This helper follows the sessions with one of them.

CIP Networks Library (ODVA) volume 1 §3-5.5 (Forward_Open), volume 2 §2-4 (encapsulation), §2-6 (common packet format)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from fwhelpers.api import (
    Cancel,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Policy,
    Refuse,
    StreamParser,
    hookimpl,
)

from .messages import (
    HEADER,
    IO_PORT,
    MAX_LENGTH,
    SAVED,
    Address,
    Connection,
    read_answer,
    read_length,
    read_request,
)

PORT: Final = 44818
MAX_PENDING: Final = 2  #: requests without an answer; the stored state has no room for more


class Session(StreamParser):
    """Parser of an originator's requests to open and close connections, and of the answers."""

    max_message: ClassVar[int] = HEADER + MAX_LENGTH

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._pending: list[Connection] = []

    def message_size(self, data: bytearray, reply: bool) -> int:
        if len(data) < HEADER:
            return 0
        length = read_length(data)
        return HEADER + (length if length <= MAX_LENGTH else 0)

    def message(self, data: bytes, reply: bool) -> Iterable[Event]:
        length = read_length(data)
        if length > MAX_LENGTH:
            self.skip(length, reply)
            return ()
        return self._answer(data) if reply else self._request(data)

    def _request(self, data: bytes) -> Iterator[Event]:
        request = read_request(data)
        if request is None:
            return
        if isinstance(request.address, Address) and not self._is(request.address, False):
            host = Endpoint(request.address.host, request.address.port)
            yield Refuse("G5", "inputs to another host than the originator", host)
            return
        same = [item for item in self._pending if item.identity != request.identity]
        self._pending = [*same, request][-MAX_PENDING:]

    def _is(self, address: Address, reply: bool) -> bool:
        """Return whether it is the sender's own, or none. Zeros mean the sender (volume 2 §2-6.3.4)."""
        own = self.flow.server if reply else self.flow.client
        return not any(address.host) or address.host == own.addr

    def _answer(self, data: bytes) -> Iterator[Event]:
        answer = read_answer(data)
        if answer is None:
            return
        request = next((item for item in self._pending if item.identity == answer.identity), None)
        if request is None or request.closes != answer.closes:
            return
        self._pending.remove(request)
        if not answer.success:
            return
        if request.closes:
            yield Cancel()  # what was not used; the originator opens it again
            return
        yield from self._opened(request, answer.outputs, answer.inputs)

    def _opened(
        self, request: Connection, outputs: Address | None, inputs: Address | None
    ) -> Iterator[Event]:
        client, server = self.flow.client, self.flow.server
        if request.outputs:
            if outputs is not None and not self._is(outputs, True):
                end = Endpoint(outputs.host, outputs.port)
                yield Refuse("G5", "outputs to another host than the target", end)
            else:
                port = outputs.port if outputs is not None and outputs.port else IO_PORT
                yield Expect(client, server.at(port), l4="udp", trigger="O->T")
        if request.inputs == "multicast":
            group = inputs.host if inputs is not None else bytes(4)
            yield Refuse("G5", "inputs to a group", Endpoint(group, IO_PORT))
        elif request.inputs:
            port = request.address.port if request.address and request.address.port else IO_PORT
            yield Expect(server, client.at(port), l4="udp", confirms_peer=True, trigger="T->O")

    # state of each pending request: | flags | port of the originator (2) | identity (6) |

    def save(self) -> bytes:
        return b"".join(item.save() for item in self._pending)

    def restore(self, state: bytes) -> None:
        size = SAVED
        if len(state) % size or len(state) > MAX_PENDING * size:
            raise ParseError("invalid stored state")
        parts = (state[at : at + size] for at in range(0, len(state), size))
        self._pending = [Connection.restore(part) for part in parts]


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    return [
        Helper(
            "enip-io",
            "tcp",
            ports=[PORT],
            parser=Session,
            families=(4,),
            # all connections between two hosts use the same ports; the first packets come within a second
            policies=[Policy("io", max=8, timeout=60)],
            spec="CIP volumes 1 and 2 (ODVA)",
            doc="EtherNet/IP: inputs and outputs of the connections that a controller opens to a device",
            client_announces=True,
        )
    ]
