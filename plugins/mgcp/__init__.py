"""Media Gateway Control Protocol: the media of gateways that a call agent controls.

    call agent                                      media gateway
      CRCX, MDCX  call [, connection, remote end] →                 where the gateway shall send
                                                  ←  200  connection, local end: where the gateway receives
      DLCX                                        →                 the end of a connection, a call, an endpoint

Either end may be conntrack's client: a gateway that has registered is called back on the same ports. Who sends CRCX or
MDCX is the agent. RFC 3435.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from fwhelpers.api import (
    Cancel,
    DatagramParser,
    Event,
    Flow,
    Helper,
    Keep,
    ParseError,
    Policy,
    Refuse,
    hookimpl,
)

from .media import TIMEOUT, Described, Ends, Stream, describe, located, port_rewrites
from .messages import Message, covers, messages

#: that are remembered, of a trunk gateway with eight E1 lines; of one more the oldest is forgotten
MAX_CONNECTIONS = 256
MAX_TRANSACTIONS = 32  #: that are remembered, so that repetitions are rewritten as well

#: seconds that conntrack keeps the control connection of a call. Nothing is said while it lasts, but what modifies the
#: call names only the end that changes
KEEP = 3600

_SIZE = 3000  # memory of a connection or of a transaction with two streams, about

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(slots=True)
class Connection:
    """A connection of an endpoint."""

    endpoint: bytes
    call: bytes
    served: bool  #: the gateway is conntrack's server
    local: Sequence[Stream] = ()  #: what the gateway has described
    remote: Sequence[Stream] | None = None  #: what the agent has described
    deleted: bool = False


@dataclass(slots=True)
class Transaction:
    """A command, and the response to it."""

    command: Message
    connection: Connection
    previous: Sequence[Stream] | None  #: the remote end before the command
    response: bytes = b""  #: digest of the final one
    second: Connection | None = None  #: the other connection that the command created


class Mgcp(DatagramParser):
    """Parses the messages between a gateway and a call agent."""

    MEMORY_MAX: ClassVar[int] = 1024 * 1024

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        #: by the identifiers of call and connection
        self._connections: OrderedDict[tuple[bytes, bytes], Connection] = OrderedDict()
        #: by the direction and the number of the command
        self._transactions: OrderedDict[tuple[bool, int], Transaction] = OrderedDict()
        self._begun = False

    @property
    def buffered(self) -> int:
        return _SIZE * (len(self._connections) + len(self._transactions))

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        for message in messages(data):
            self._begun = True
            if not message.verb:
                yield from self._response(message, data, reply)
            elif message.verb in (b"CRCX", b"MDCX"):
                yield from self._command(message, data, reply)
            elif message.verb == b"DLCX":
                yield from self._delete(message, reply)
            elif message.verb == b"RSIP" and message.restart in (b"", b"restart", b"forced"):
                yield from self._restart(message, reply)
        if not self._begun:
            raise ParseError(f"not an MGCP message: {data[:32]!r}")

    # state for another worker: a message was read. What was announced is in the kernel

    def save(self) -> bytes:
        return b"\1" if self._begun else b""

    def restore(self, state: bytes) -> None:
        if state not in (b"", b"\1"):
            raise ParseError("invalid stored state")
        self._begun = bool(state)

    # commands

    def _command(self, message: Message, data: bytes, reply: bool) -> Iterator[Event]:
        key = reply, message.transaction
        transaction = self._transactions.get(key)
        if transaction is None or transaction.command.digest != message.digest:
            transaction = self._begin(message, reply)
            _remember(self._transactions, key, transaction, MAX_TRANSACTIONS)
        described, refusals = _described(message.body, data)
        yield from refusals
        connection = transaction.connection
        remote = described.streams if described else connection.remote
        yield from self._change(connection, reply, described, connection.local, remote)

    def _begin(self, message: Message, reply: bool) -> Transaction:
        key = message.call, message.connection
        connection = self._connections.get(key) if message.verb == b"MDCX" else None
        if connection is None:
            connection = Connection(message.endpoint, message.call, served=not reply)
            if message.verb == b"MDCX" and message.connection:
                # it was created before this flow or this process was there
                _remember(self._connections, key, connection, MAX_CONNECTIONS)
        elif connection.served is not reply:
            self._connections.move_to_end(key)
        else:  # the gateway modifies nothing
            connection = Connection(message.endpoint, message.call, served=not reply)
        return Transaction(message, connection, connection.remote)

    def _delete(self, message: Message, reply: bool) -> Iterator[Event]:
        """Both ends may delete: one connection, those of a call, or those of an endpoint (RFC 3435 §2.3.8, 2.3.9)."""
        for key, connection in list(self._connections.items()):
            call, identifier = key
            if message.call or message.connection:
                matches = message.call == call and message.connection in (b"", identifier)
            else:
                matches = covers(message.endpoint, connection.endpoint)
            if matches:
                yield from self._end(key, connection, reply)

    def _restart(self, message: Message, reply: bool) -> Iterator[Event]:
        for key, connection in list(self._connections.items()):
            if connection.served is reply and covers(message.endpoint, connection.endpoint):
                yield from self._end(key, connection, reply)

    def _end(
        self, key: tuple[bytes, bytes], connection: Connection, reply: bool
    ) -> Iterator[Event]:
        del self._connections[key]
        yield from self._change(connection, reply, None, (), ())
        connection.deleted = True

    # responses

    def _response(self, message: Message, data: bytes, reply: bool) -> Iterator[Event]:
        if message.code < 100:
            return  # an acknowledgement of responses
        transaction = self._transactions.get((not reply, message.transaction))
        described, refusals = _described(message.body, data)
        if transaction is None:
            if described:
                yield Refuse("G4", f"description in response {message.transaction} to no command")
            return
        if transaction.response not in (b"", message.digest):
            yield Refuse("G4", f"another response {message.transaction}")
            return
        yield from refusals
        if message.code >= 300:
            yield from self._failed(transaction, message, reply)
            return
        if message.code >= 200:
            yield from self._succeeded(transaction, message)
        if described:
            connection = transaction.connection
            local, remote = described.streams, connection.remote
            yield from self._change(connection, reply, described, local, remote)
        if transaction.second:
            yield from self._describe_second(transaction.second, message, data, reply)

    def _describe_second(
        self, connection: Connection, message: Message, data: bytes, reply: bool
    ) -> Iterator[Event]:
        described, refusals = _described(message.second.body, data)
        yield from refusals
        if described:
            remote = connection.remote
            yield from self._change(connection, reply, described, described.streams, remote)

    def _succeeded(self, transaction: Transaction, message: Message) -> Iterator[Event]:
        connection, command = transaction.connection, transaction.command
        first, transaction.response = not transaction.response, message.digest
        if first and command.verb == b"CRCX" and message.connection:
            connection.endpoint = message.endpoint or connection.endpoint
            key = command.call, message.connection
            _remember(self._connections, key, connection, MAX_CONNECTIONS)
            yield Keep(KEEP)
            if message.second.connection:
                # its other end is the first connection, until the agent names one
                second = Connection(
                    message.second.endpoint or connection.endpoint,
                    command.call,
                    connection.served,
                    remote=(),
                )
                key = command.call, message.second.connection
                _remember(self._connections, key, second, MAX_CONNECTIONS)
                transaction.second = second

    def _failed(self, transaction: Transaction, message: Message, reply: bool) -> Iterator[Event]:
        """Nothing has changed at the gateway."""
        if not transaction.response:
            transaction.response = message.digest
            connection, previous = transaction.connection, transaction.previous
            yield from self._change(connection, reply, None, connection.local, previous)

    # announcements

    def _change(
        self,
        connection: Connection,
        reply: bool,
        described: Described | None,
        local: Sequence[Stream],
        remote: Sequence[Stream] | None,
    ) -> Iterator[Event]:
        """Announce what the descriptions of both ends say now, and withdraw what they said before.

        `described` is the message's own description, whose texts NAT may have to change.
        """
        if connection.deleted:
            return
        ends, by_gateway = self._ends(connection.served), connection.served is reply
        before = [expect for expect, _, _ in ends.expects(connection.local, connection.remote)]
        connection.local, connection.remote = local, remote
        after = []
        for expect, span, towards_gateway in ends.expects(local, remote):
            after.append(expect)
            expect = ends.confirmed(expect, by_gateway)
            own = described is not None and towards_gateway is by_gateway
            yield located(expect, span) if own else expect
        for expect in before:
            if expect not in after:
                yield Cancel(want=ends.confirmed(expect, by_gateway))
        if described:
            yield from described.rewrites
            yield from () if by_gateway else port_rewrites(described.streams, ends.agent)

    def _ends(self, served: bool) -> Ends:
        gateway, agent = self.flow.client, self.flow.server
        if served:
            gateway, agent = agent, gateway
        return Ends(gateway, agent, self.address)


def _described(body: tuple[int, int], data: bytes) -> tuple[Described | None, list[Refuse]]:
    begin, end = body
    if begin == end:
        return None, []
    try:
        return describe(data, body), []
    except ParseError as error:
        return None, [Refuse("G11", str(error))]


def _remember(table: OrderedDict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > most:
        table.popitem(last=False)


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """Gateways on udp/2427, call agents on udp/2727."""
    return [
        Helper(
            "mgcp",
            "udp",
            ports=[2427, 2727],
            parser=Mgcp,
            policies=[
                Policy("audio", max=255, timeout=TIMEOUT, third_party=True),
                Policy("video", max=64, timeout=TIMEOUT, third_party=True),
                Policy("other", max=64, timeout=TIMEOUT, third_party=True),  # fax
            ],
            spec="RFC 3435, 8866",
            doc="MGCP: media of telephone gateways",
        )
    ]
