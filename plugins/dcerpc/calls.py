"""Calls whose answers name ports, and the stub data of those answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

from fwhelpers.api import ParseError

from . import dcom
from .bindings import Bindings
from .interfaces import ACTIVATION, EPM, OBJECT_EXPORTER, SCM_ACTIVATOR
from .ndr import Ndr
from .pdu import Header, parse_protection

MAX_STUB = 131072  #: bytes of a connection's incomplete answers; 500 entries of ept_lookup have about 100,000
MAX_FRAGMENTS = 1024
_MAX_PADDING = 16  #: bytes that may follow the last value


class Procedure(IntEnum):
    """Procedures whose answers are read. The values are stored."""

    MAP = 0
    LOOKUP = 1
    RESOLVE = 2
    RESOLVE2 = 3
    ALIVE2 = 4
    ACTIVATE = 5
    GET_CLASS = 6
    CREATE = 7
    SIMPLE_PING = 8
    COMPLEX_PING = 9

    @property
    def interface(self) -> UUID:
        return _BY_PROCEDURE[self][0]


#: by interface and operation number: C706 appendix O, MS-DCOM §3.1.2.5
PROCEDURES: dict[tuple[UUID, int], Procedure] = {
    (EPM, 2): Procedure.LOOKUP,
    (EPM, 3): Procedure.MAP,
    (OBJECT_EXPORTER, 0): Procedure.RESOLVE,
    (OBJECT_EXPORTER, 1): Procedure.SIMPLE_PING,
    (OBJECT_EXPORTER, 2): Procedure.COMPLEX_PING,
    (OBJECT_EXPORTER, 4): Procedure.RESOLVE2,
    (OBJECT_EXPORTER, 5): Procedure.ALIVE2,
    (ACTIVATION, 0): Procedure.ACTIVATE,
    (SCM_ACTIVATOR, 3): Procedure.GET_CLASS,
    (SCM_ACTIVATOR, 4): Procedure.CREATE,
}
_BY_PROCEDURE = {procedure: key for key, procedure in PROCEDURES.items()}

BINDINGS: dict[Procedure, Callable[[Ndr], Bindings | None]] = {
    Procedure.RESOLVE: dcom.read_resolve,
    Procedure.RESOLVE2: dcom.read_resolve2,
    Procedure.ALIVE2: dcom.read_alive2,
    Procedure.ACTIVATE: dcom.read_activation,
    Procedure.GET_CLASS: dcom.read_scm,
    Procedure.CREATE: dcom.read_scm,
}
#: names for logs
TRIGGERS: dict[Procedure, str] = {
    Procedure.RESOLVE: "ResolveOxid",
    Procedure.RESOLVE2: "ResolveOxid2",
    Procedure.ALIVE2: "ServerAlive2",
    Procedure.ACTIVATE: "RemoteActivation",
    Procedure.GET_CLASS: "RemoteGetClassObject",
    Procedure.CREATE: "RemoteCreateInstance",
    Procedure.MAP: "ept_map",
    Procedure.LOOKUP: "ept_lookup",
    Procedure.SIMPLE_PING: "SimplePing",
    Procedure.COMPLEX_PING: "ComplexPing",
}


def ping_succeeded(procedure: Procedure, stub: Ndr) -> bool:
    """Read the answer to a ping. Raises ParseError."""
    if procedure is Procedure.COMPLEX_PING:
        stub.u64()
        stub.u16()
    return stub.u32() == 0


class Piece(NamedTuple):
    """The stub data of one fragment."""

    start: int  #: offset in the stub data of the answer
    position: int  #: offset in the stream


@dataclass(slots=True)
class Call:
    """A call without an answer, or with a part of it."""

    procedure: Procedure
    wide: bool  #: NDR64
    data: bytearray = field(default_factory=bytearray)
    pieces: list[Piece] = field(default_factory=list)
    little: bool = True
    sealed: bool = False
    signed: bool = False

    def add(self, header: Header, data: bytes, position: int) -> None:
        """Add a fragment of the answer, which begins at `position` of the stream. Raises ParseError."""
        if header.first != (not self.pieces):
            raise ParseError("fragments of an answer in wrong order")
        protection = parse_protection(header, data)
        self.pieces.append(Piece(len(self.data), position + header.stub))
        self.data += data[header.stub : protection.end]
        self.little = header.little
        self.sealed |= protection.sealed
        self.signed |= protection.signed
        if len(self.pieces) > MAX_FRAGMENTS:
            raise ParseError(f"an answer of more than {MAX_FRAGMENTS} fragments")

    def stub(self) -> Ndr:
        """Return the stub data of the answer."""
        return Ndr(bytes(self.data), self.little, self.wide)

    def place(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the offsets in the stream of a part of the stub data, None if it is split over two fragments."""
        for piece, stop in zip(self.pieces, self._stops(), strict=True):
            if piece.start <= start and end <= stop:
                first = piece.position + start - piece.start
                return first, first + end - start
        return None

    def _stops(self) -> Iterable[int]:
        return [*(piece.start for piece in self.pieces[1:]), len(self.data)]


def check_end(stub: Ndr) -> None:
    """Raise ParseError if more than padding follows the last value."""
    if stub.remaining >= _MAX_PADDING:
        raise ParseError(f"{stub.remaining} bytes too many")
