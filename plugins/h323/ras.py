"""RAS (H.225.0 §7.8 to 7.18): registration, admission and status, over UDP between an endpoint and its gatekeeper.

endpoint                                    gatekeeper
  RRQ  its call signalling address     →
                                       ←    RCF  for how many seconds      calls come to that address
  ARQ                                  →
                                       ←    ACF  an address                the endpoint calls it
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, ClassVar

from fwhelpers.api import Cancel, DatagramParser, Endpoint, Event, Expect, Flow, ParseError, Refuse
from fwhelpers.sansio.per import decode

from .addresses import Address, check_protocol, h225_address, h225_addresses
from .channels import WANT_BYTES
from .h225_types import RasMessage

MAX_ADDRESSES = 4  #: addresses of one kind in a message
MAX_PENDING = 8  #: registrations without an answer
ANSWER = 60  #: seconds that a registration is announced before its confirmation
ADMISSION = 240  #: seconds within which an admitted call begins

REGISTRATION = (
    300  #: seconds that a registration lasts if neither gatekeeper nor configuration says
)

Handler = Callable[["Ras", bytes, Any, bool], Iterator[Event]]


class Ras(DatagramParser):
    """Parser of the messages between an endpoint and its gatekeeper, or between two gatekeepers."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._begun = False
        #: by the end that asks, and the number of the request
        self._pending: OrderedDict[tuple[bool, int], list[Expect]] = OrderedDict()
        self._registered: list[Expect] = []

    @property
    def buffered(self) -> int:
        wants = sum(map(len, self._pending.values())) + len(self._registered)
        return WANT_BYTES * wants

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        try:
            name, value = decode(RasMessage, data)
            check_protocol(data, value or {})
        except ParseError as error:
            if not self._begun:
                raise
            yield Refuse("G11", f"RAS: {error}")
            return
        self._begun = True
        handler = self._HANDLERS.get(name)
        if handler is not None:
            yield from handler(self, data, value, reply)

    # state for another worker: a message was read. What was announced is in the kernel

    def save(self) -> bytes:
        return b"\1" if self._begun else b""

    def restore(self, state: bytes) -> None:
        if state not in (b"", b"\1"):
            raise ParseError("invalid stored state")
        self._begun = bool(state)

    # registration

    def _register(self, data: bytes, value: Any, reply: bool) -> Iterator[Event]:
        wants = []
        for address in islice(h225_addresses(data, value["callSignalAddress"]), MAX_ADDRESSES):
            want = self._connection(
                address, reply, "RRQ", "tcp", permanent=True, timeout=ANSWER, keep_after_master=True
            )
            wants.append(replace(want, span=None, encode=None))
            yield want
        for address in islice(h225_addresses(data, value["rasAddress"]), MAX_ADDRESSES):
            yield self._ras(address, reply, "RRQ")
        # one that only keeps the registration alive may leave the address out
        self._pending[reply, value["requestSeqNum"]] = wants or self._registered
        if len(self._pending) > MAX_PENDING:
            self._pending.popitem(last=False)

    def _confirm(self, data: bytes, value: Any, reply: bool) -> Iterator[Event]:
        for address in islice(h225_addresses(data, value["callSignalAddress"]), MAX_ADDRESSES):
            yield address.rewrite()
        wants = self._pending.pop((not reply, value["requestSeqNum"]), None)
        if wants is None:
            return
        seconds = value.get("timeToLive", self.settings.get("registration", REGISTRATION))
        self._registered = wants
        for want in wants:
            yield replace(want, timeout=seconds, confirms_peer=True, trigger="RCF")

    def _reject(self, data: bytes, value: Any, reply: bool) -> Iterator[Event]:
        for want in self._pending.pop((not reply, value["requestSeqNum"]), ()):
            yield Cancel(want.policy, replace(want, confirms_peer=True))

    def _unregister(self, data: bytes, value: Any, reply: bool) -> Iterator[Event]:
        for address in islice(h225_addresses(data, value["callSignalAddress"]), MAX_ADDRESSES):
            yield address.rewrite()
        self._registered = []
        self._pending.clear()
        yield Cancel("signalling")

    # discovery and calls

    def _discover(self, data: bytes, value: Any, reply: bool) -> Iterator[Event]:
        yield from self._ras_field(data, value["rasAddress"], reply, "GRQ, GCF")

    def _locate(self, data: bytes, value: Any, reply: bool) -> Iterator[Event]:
        yield from self._ras_field(data, value["replyAddress"], reply, "LRQ")

    def _located(self, data: bytes, value: Any, reply: bool) -> Iterator[Event]:
        yield from self._call(data, value["callSignalAddress"], reply, "LCF")
        yield from self._ras_field(data, value["rasAddress"], reply, "LCF")

    def _ask(self, data: bytes, value: Any, reply: bool) -> Iterator[Event]:
        for name in ("destCallSignalAddress", "srcCallSignalAddress"):
            address = h225_address(data, value[name]) if name in value else None
            if address is not None:
                yield address.rewrite()

    def _admit(self, data: bytes, value: Any, reply: bool) -> Iterator[Event]:
        yield from self._call(data, value["destCallSignalAddress"], reply, "ACF")

    # addresses

    def _call(self, data: bytes, value: Any, reply: bool, trigger: str) -> Iterator[Event]:
        address = h225_address(data, value)
        if address is None:
            return
        if address.endpoint.addr == self._host(not reply).addr:
            yield address.rewrite()  # the receiver is called itself
            return
        yield self._connection(address, reply, trigger, "tcp", timeout=ADMISSION)

    def _ras_field(self, data: bytes, value: Any, reply: bool, trigger: str) -> Iterator[Event]:
        address = h225_address(data, value)
        if address is not None:
            yield self._ras(address, reply, trigger)

    def _ras(self, address: Address, reply: bool, trigger: str) -> Event:
        if address.endpoint in (self.flow.client, self.flow.server):
            return address.rewrite()
        return self._connection(address, reply, trigger, "udp", timeout=ADMISSION)

    def _connection(
        self, address: Address, reply: bool, trigger: str, l4: str, **details: Any
    ) -> Expect:
        if self.address == "any-src" and details.get("permanent"):
            details["sources"] = "any"
        return address.expect(
            self._host(not reply),
            l4=l4,
            policy="signalling",
            child=True,
            trigger=trigger,
            **details,
        )

    def _host(self, reply: bool) -> Endpoint:
        return (self.flow.client, self.flow.server)[reply].at(0)

    _HANDLERS: ClassVar[Mapping[str, Handler]] = {
        "gatekeeperRequest": _discover,
        "gatekeeperConfirm": _discover,
        "registrationRequest": _register,
        "registrationConfirm": _confirm,
        "registrationReject": _reject,
        "unregistrationRequest": _unregister,
        "admissionRequest": _ask,
        "admissionConfirm": _admit,
        "locationRequest": _locate,
        "locationConfirm": _located,
    }
