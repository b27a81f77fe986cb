"""Presentation contexts: which interface and transfer syntax a number stands for, C706 §12.6.4.3 and §12.6.4.4."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple
from uuid import UUID

from fwhelpers.api import ParseError

from .interfaces import ACTIVATION, EPM, OBJECT_EXPORTER, SCM_ACTIVATOR
from .ndr import Ndr
from .pdu import HEADER, Header

MAX_CONTEXTS = 32  #: contexts of interest
MAX_BINDS = 4  #: binds and alter_contexts without an answer

#: interfaces whose answers are read, with their major versions
_INTERFACES = {EPM: 3, OBJECT_EXPORTER: 0, ACTIVATION: 0, SCM_ACTIVATOR: 0}
_NDR32 = UUID("8a885d04-1ceb-11c9-9fe8-08002b104860")
_NDR64 = UUID("71710533-beba-4937-8319-b5dbef9ccc36")
_ACCEPTANCE = 0


class Context(NamedTuple):
    """An interface in a transfer syntax."""

    interface: UUID
    wide: bool  #: NDR64


class Contexts:
    """The contexts of a connection that matter."""

    def __init__(self) -> None:
        self._binds: OrderedDict[int, list[tuple[int, UUID | None]]] = OrderedDict()
        self.accepted: OrderedDict[int, Context] = OrderedDict()

    def __getitem__(self, number: int) -> Context | None:
        return self.accepted.get(number)

    @property
    def pending(self) -> bool:
        """Return whether a bind or alter_context has no answer."""
        return bool(self._binds)

    def awaits(self, call: int) -> bool:
        """Return whether a bind or alter_context of this call has no answer."""
        return call in self._binds

    def propose(self, header: Header, data: bytes) -> None:
        """Read a bind or an alter_context. Raises ParseError."""
        body = Ndr(data, header.little, pos=HEADER)
        body.skip(8)
        number = body.u8()
        body.skip(3)
        self._binds[header.call] = [_proposal(body) for _ in range(number)]
        if len(self._binds) > MAX_BINDS:
            self._binds.popitem(last=False)

    def answer(self, header: Header, data: bytes) -> None:
        """Read a bind_ack or an alter_context_response: a result for each proposal. Raises ParseError."""
        proposals = self._binds.pop(header.call)
        body = Ndr(data, header.little, pos=HEADER)
        body.skip(8)
        body.skip(body.u16())  # secondary address
        body.align(4)
        number = body.u8()
        body.skip(3)
        if number > len(proposals):
            raise ParseError(f"{number} results for {len(proposals)} contexts")
        for context, interface in proposals[:number]:
            result = body.u16()
            body.u16()
            syntax = body.uuid()
            body.u32()
            if result == _ACCEPTANCE:
                self._accept(context, interface, syntax)

    def reject(self, call: int) -> None:
        """Forget the proposals of a bind that failed."""
        self._binds.pop(call, None)

    def _accept(self, number: int, interface: UUID | None, syntax: UUID) -> None:
        self.accepted.pop(number, None)
        if interface is not None and syntax in (_NDR32, _NDR64):
            self.accepted[number] = Context(interface, syntax == _NDR64)
            if len(self.accepted) > MAX_CONTEXTS:
                self.accepted.popitem(last=False)


def _proposal(body: Ndr) -> tuple[int, UUID | None]:
    number, syntaxes = body.u16(), body.u8()
    body.skip(1)
    interface, version = body.uuid(), body.u32() & 0xFFFF
    body.skip(20 * syntaxes)
    return number, interface if _INTERFACES.get(interface) == version else None
