"""Sun RPC: portmap and rpcbind tell at which port a program listens.

    call   | xid | 0 | 2 | 100000 | version | procedure | credentials | verifier | arguments |
    reply  | xid | 1 | 0 (accepted) | verifier | 0 (success) | result |

RFC 5531 (§9 messages, §11 record marking over TCP), RFC 1833 (§2 rpcbind 3 and 4, §3 portmap 2), RFC 5665 (§5 universal
addresses), RFC 4506 (XDR).

A reply tells nothing but a port: what was asked stands in the call, so calls are remembered by xid until their reply.
A broadcast CALLIT is answered by hosts that nobody knows beforehand; nothing opens for those.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import IntEnum
from struct import Struct
from typing import Any, NamedTuple

from fwhelpers.api import (
    DatagramParser,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    ParseError,
    Parser,
    Policy,
    Refuse,
    Setting,
    hookimpl,
)
from fwhelpers.sansio import uaddr, xdr
from fwhelpers.sansio.records import Record, Records
from fwhelpers.sansio.xdr import Xdr

RPCBIND = 100000

#: RPC program numbers, as IANA keeps them
PROGRAMS: Mapping[str, int] = {
    "amd": 300019,
    "bootparam": 100026,
    "keyserv": 100029,
    "mountd": 100005,
    "nfs": 100003,
    "nfs_acl": 100227,
    "nlockmgr": 100021,
    "rquotad": 100011,
    "rstatd": 100001,
    "rusersd": 100002,
    "sprayd": 100012,
    "status": 100024,
    "vxi11_async": 395184,
    "vxi11_core": 395183,
    "vxi11_intr": 395185,
    "walld": 100008,
    "ypbind": 100007,
    "yppasswdd": 100009,
    "ypserv": 100004,
    "ypupdated": 100028,
    "ypxfrd": 100069,
}
_NAMES = {number: name for name, number in PROGRAMS.items()}

#: NFS 3 and what belongs to it, NIS, and test instruments
DEFAULT_PROGRAMS = (
    "mountd nfs nfs_acl nlockmgr rquotad status ypbind yppasswdd ypserv "
    "vxi11_async vxi11_core vxi11_intr"
).split()
ANY = frozenset({-1})  #: stands for "any" in the checked setting

MAX_CALLS = 32  #: that wait for their replies
MAX_AUTH = 400  #: RFC 5531 §8.2
MAX_STRING = 256  #: net ids, owners and addresses are much shorter
MAX_ARGUMENTS = 65536
MAX_ENTRIES = 1024  #: of a list

_PROTOCOLS = {6: "tcp", 17: "udp"}
_NETIDS = {b"tcp": ("tcp", 4), b"udp": ("udp", 4), b"tcp6": ("tcp", 6), b"udp6": ("udp", 6)}


class Ask(IntEnum):
    """What a call asks, and so what its reply holds."""

    PORT = 0  #: GETPORT: a port
    ADDRESS = 1  #: GETADDR, GETVERSADDR: a universal address
    LIST = 2  #: GETADDRLIST
    CALL_PORT = 3  #: CALLIT 2: a port and a result
    CALL_ADDRESS = 4  #: CALLIT 3, BCAST, INDIRECT: a universal address and a result
    DUMP_PORTS = 5  #: DUMP 2
    DUMP_ADDRESSES = 6  #: DUMP 3, 4


#: RFC 1833 §2.2.1 and §3.2, by version and procedure
_PROCEDURES: Mapping[tuple[int, int], Ask] = {
    (2, 3): Ask.PORT,
    (2, 4): Ask.DUMP_PORTS,
    (2, 5): Ask.CALL_PORT,
    (3, 3): Ask.ADDRESS,
    (3, 4): Ask.DUMP_ADDRESSES,
    (3, 5): Ask.CALL_ADDRESS,
    (4, 3): Ask.ADDRESS,
    (4, 4): Ask.DUMP_ADDRESSES,
    (4, 5): Ask.CALL_ADDRESS,
    (4, 9): Ask.ADDRESS,
    (4, 10): Ask.CALL_ADDRESS,
    (4, 11): Ask.LIST,
}


class Call(NamedTuple):
    """What must be remembered of a call."""

    ask: Ask
    program: int = 0
    l4: str = ""
    version: int = 0


class Found(NamedTuple):
    """A service that a reply names, and where in the message."""

    program: int
    version: int
    l4: str
    end: Endpoint
    start: int
    stop: int
    text: bool  #: a universal address, else a port


Locate = Callable[[int, int], tuple[int, int] | None]


class Portmap:
    """Calls and replies, whatever carries them."""

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        self._flow = flow
        self._programs: frozenset[int] = settings.get("programs") or programs(DEFAULT_PROGRAMS)
        self._dump = bool(settings.get("dump", False))
        self._calls: OrderedDict[int, Call] = OrderedDict()

    # calls

    def call(self, data: bytes) -> None:
        """Remember a call, if its reply may open something."""
        message = Xdr(data)
        xid = message.u32()
        if message.u32() != 0 or message.u32() != 2:
            raise ParseError("not an RPC call")
        program, version, procedure = message.u32(), message.u32(), message.u32()
        for _ in ("credentials", "verifier"):
            message.u32()
            message.opaque(MAX_AUTH)
        ask = _PROCEDURES.get((version, procedure))
        if program == RPCBIND and ask is not None:
            self._remember(xid, self._asked(ask, message))

    def _asked(self, ask: Ask, message: Xdr) -> Call | None:
        if ask in (Ask.DUMP_PORTS, Ask.DUMP_ADDRESSES):
            message.end()
            return Call(ask) if self._dump else None
        program, version = message.u32(), message.u32()
        if ask is Ask.PORT:
            l4 = _PROTOCOLS.get(message.u32(), "")
            message.u32()
        elif ask in (Ask.ADDRESS, Ask.LIST):
            # rpcbind answers for the transport that the question came by, whatever net id it names
            l4 = self._flow.l4
            for _ in ("netid", "address", "owner"):
                message.opaque(MAX_STRING)
        else:
            l4 = "udp"  # RFC 1833 §2.2.1: CALLIT and its like reach the program by UDP
            message.u32()
            message.opaque(MAX_ARGUMENTS)
        message.end()
        return Call(ask, program, l4, version) if l4 else None

    def _remember(self, xid: int, call: Call | None) -> None:
        self._calls.pop(xid, None)
        if call is not None:
            self._calls[xid] = call
        if len(self._calls) > MAX_CALLS:
            self._calls.popitem(last=False)

    # replies

    def reply(self, data: bytes, locate: Locate) -> Iterator[Event]:
        """What a reply opens. `locate` finds a span of the message in the flow's bytes."""
        message = Xdr(data)
        call = self._calls.pop(message.u32(), None)
        if message.u32() != 1:
            raise ParseError("not an RPC reply")
        if call is None or message.u32() != 0:
            return
        message.u32()
        message.opaque(MAX_AUTH)
        if message.u32() != 0:
            return
        single = call.ask not in (Ask.LIST, Ask.DUMP_PORTS, Ask.DUMP_ADDRESSES)
        seen = set()
        for found in list(_read(call, message)):
            if found.end.port and (found.l4, found.end) not in seen:
                seen.add((found.l4, found.end))
                yield from self._open(found, call, data, locate, single)

    def _open(
        self, found: Found, call: Call, data: bytes, locate: Locate, single: bool
    ) -> Iterator[Event]:
        listed = self._programs is ANY or found.program in self._programs
        end = self._resolved(found.end)
        if listed and end.family == self._flow.server.family:
            yield self.expect(found, end, data, locate, single)
        elif not listed and not call.ask.name.startswith("DUMP"):
            yield Refuse("G6", f"program {_name(found.program)} is not in `programs`", end)

    def _resolved(self, end: Endpoint) -> Endpoint:
        # an empty address is portmap's; a service that is bound to all addresses is at this one too
        return self._flow.server.at(end.port) if not any(end.addr) else end

    def expect(
        self, found: Found, end: Endpoint, data: bytes, locate: Locate, single: bool
    ) -> Expect:
        """The announcement of one service."""
        what = f"{_name(found.program)} v{found.version}" if found.version else _name(found.program)
        span = locate(found.start, found.stop)
        encode, fit = (_text, _fit_text) if found.text else (_port, None)
        return Expect(
            self._flow.client,
            end,
            found.l4,
            # without a span the announcement would count as one that names no endpoint
            span=span or (0, 0),
            encode=encode if span else None,
            fit=fit,
            permanent=True,  # mount asks whether the service lives, then connects again
            what=what,
        )

    # what outlives the worker: the two newest calls,  | xid | program | version (1) | udp (1 bit), ask |

    def save(self) -> bytes:
        """The state to keep."""
        newest = list(self._calls.items())[-2:]
        return b"".join(
            _SAVED.pack(xid, c.program, min(c.version, 255), c.ask | (c.l4 == "udp") << 7)
            for xid, c in newest
        )

    def restore(self, state: bytes) -> None:
        """Take it back."""
        if len(state) % _SAVED.size:
            raise ParseError("stored state makes no sense")
        for xid, program, version, flags in _SAVED.iter_unpack(state):
            try:
                ask = Ask(flags & 0x7F)
            except ValueError:
                raise ParseError("stored state makes no sense") from None
            self._calls[xid] = Call(ask, program, "udp" if flags & 0x80 else "tcp", version)


_SAVED = Struct("!IIBB")
