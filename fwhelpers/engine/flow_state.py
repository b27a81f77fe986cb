"""The state of one control connection, and the 32 bytes of it that survive the process.

    0         1       2             6              10      11
    | version | flags | next (orig) | next (reply) | length | parser's own state, at most 20 |

They are stored in the conntrack entry itself (CTA_HELP_INFO), at message boundaries only. A worker that is killed
between a PASV and its 227 loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct, error
from typing import NamedTuple

from fwhelpers.api import DatagramParser, Done, Event, Expect, Flow, ParseError, Parser
from fwhelpers.engine.active import Active
from fwhelpers.engine.expectation_key import Connection
from fwhelpers.engine.registry import NO_ACCOUNT, LiveExpectation, party_of
from fwhelpers.engine.retransmissions import Retransmissions
from fwhelpers.engine.rewriting import Rewriter
from fwhelpers.engine.stream import HalfStream
from fwhelpers.kernel.conntrack import Tuple

_HEAD = Struct("!BBIIB")
_INFO = Struct("!BBIIB21s")
_VERSION = 1
# a flag for each direction: its position is stored; no payload has been read; later bytes have passed
_HAS_POSITION = _CLIENT_POSITION, _SERVER_POSITION = (1, 2)
_UNTOUCHED = (4, 8)
_AHEAD = _CLIENT_AHEAD, _SERVER_AHEAD = (16, 32)
_CLIENT_UNTOUCHED = _HAS_POSITION[0] | _UNTOUCHED[0]
_SERVER_UNTOUCHED = _HAS_POSITION[1] | _UNTOUCHED[1]

INFO_SIZE = 32

_NO_REWRITERS = Rewriter(), Rewriter()  # of datagrams, which are rewritten one by one


class Repeatable:
    """An announcement that opened an expectation, with nothing to change in its payload."""

    __slots__ = ("event", "lifetime", "live", "reply")

    def __init__(self, event: Expect, reply: bool, live: LiveExpectation, lifetime: int) -> None:
        self.event = event
        self.reply = reply
        self.live = live
        self.lifetime = lifetime


class FlowState:
    """A control connection under inspection."""

    __slots__ = (
        "_bounded",
        "_saves",
        "account",
        "accounted",
        "active",
        "ahead",
        "connection",
        "entry_end",
        "finished",
        "flow",
        "halves",
        "helper",
        "holds",
        "info",
        "keep_until",
        "orig",
        "parse",
        "parser",
        "party",
        "position",
        "released",
        "repeatable",
        "reply",
        "resume_at",
        "retransmissions",
        "rewriters",
        "stored",
        "unconfirmed",
        "zone",
    )

    def __init__(
        self,
        active: Active,
        flow: Flow,
        helper: str,
        orig: Tuple,
        reply: Tuple,
        zone: int,
        parser: Parser,
    ) -> None:
        self.active = active
        self.flow = flow
        self.helper = helper  #: as registered with the kernel
        self.orig = orig
        self.reply = reply
        self.zone = zone
        self.party = party_of(flow.client.addr, zone)
        self.connection = Connection(zone, orig)  #: the owner of its expectations
        self.parser = parser
        direct, self._bounded, self._saves, buffers = _traits_of(type(parser))
        #: what yields the events of the next bytes: `feed`, or `datagram` where `feed` only calls that
        self.parse: Callable[[bytes, bool], Iterable[Event]] = parser.feed
        retransmits = False
        if isinstance(parser, DatagramParser):
            retransmits = parser.retransmits
            if direct:
                self.parse = parser.datagram
        self.halves: list[HalfStream | None] = [None, None]
        self.rewriters = (Rewriter(), Rewriter()) if flow.l4 == "tcp" else _NO_REWRITERS
        #: for each direction: bytes behind a gap have passed, which another worker has read
        self.ahead = [False, False]
        self.position: bytes | None = None  #: the labels that were stored for another gateway
        #: the low bits of both positions at which another gateway's parser stopped
        self.resume_at: tuple[int, int] | None = None
        self.info = b""  #: the bytes to store, as of the last message boundary
        self.stored = b""  #: the bytes that are stored in the conntrack entry
        self.finished = ""  #: the reason why the flow is not parsed any more
        self.accounted = 0  #: bytes that the table has counted
        self.unconfirmed = 0  #: entries of its packets, until conntrack confirms one of them
        self.released = False  #: the label that takes it out of the queue was set
        self.keep_until = 0.0  #: end of its last expectation
        self.entry_end = (
            0.0  #: when its entry ends, as set at the end of its TCP connection; 0: it goes on
        )
        self.account = NO_ACCOUNT  #: whose quota its expectations count on (G9)
        self.repeatable: Repeatable | None = None  #: its last announcement
        #: datagrams that may come again, if the parser ignores them then
        self.retransmissions = Retransmissions() if retransmits else None
        #: datagrams can leave something in memory, for `held`
        self.holds = buffers or retransmits

    def confirm(self) -> None:
        """One of its entries was confirmed."""
        if self.unconfirmed > 1:  # the verdicts before may have changed another one
            self.stored = b""
            self.released = False
        self.unconfirmed = 0

    def held(self) -> int:
        """Return the number of bytes of the connection in memory."""
        client, server = self.halves
        held = self.parser.buffered
        if self.retransmissions is not None:
            held += self.retransmissions.held
        if client is not None:
            held += client.held()
        return held if server is None else held + server.held()

    def release(self) -> None:
        """Free what is needed for parsing only."""
        self.parser = Parser(self.flow, {})
        self.parse = self.parser.feed
        self._bounded = self._saves = False
        self.retransmissions = None
        for half in self.halves:
            if half is not None:
                half.release()

    def keep(self, until: float) -> None:
        """Have the entry of a TCP connection live until then, when the connection ends."""
        self.keep_until = max(self.keep_until, until)

    def can_keep(self, until: float) -> bool:
        """Return whether the entry lives until then with `keep`, which comes too late after the connection's end."""
        is_open = not self.entry_end and self.accounted >= 0  # and in the table
        return is_open or until <= self.entry_end

    def due(self, now: float) -> bool:
        """Return whether retransmissions may still need rewriting."""
        client, server = self.rewriters
        return client.due(now) or server.due(now)

    def update_info(self) -> None:
        """Take a snapshot if the flow stands at a message boundary."""
        info = self.snapshot()
        if info is not None:
            self.info = info

    def snapshot(self) -> bytes | None:
        """Return the 32 bytes to store, None if there is no position yet at which a message begins."""
        parser = self.parser
        client, server = self.halves
        gap = (client and client.early) or (server and server.early)
        if gap or (self._bounded and not (parser.boundary(False) and parser.boundary(True))):
            return self._with_notes()
        own = parser.save()[: Parser.STATE_MAX] if self._saves else b""
        if client is None and server is None and not (own or self.info):
            return None  # the conntrack entry of a new connection says the same
        flags = client_seq = server_seq = 0
        if client is not None:
            flags |= _CLIENT_POSITION if client.next or not client.untouched else _CLIENT_UNTOUCHED
            client_seq = client.next_seq
        if server is not None:
            flags |= _SERVER_POSITION if server.next or not server.untouched else _SERVER_UNTOUCHED
            server_seq = server.next_seq
        if self.ahead[0]:
            flags |= _CLIENT_AHEAD
        if self.ahead[1]:
            flags |= _SERVER_AHEAD
        return _INFO.pack(_VERSION, flags, client_seq, server_seq, len(own), own)

    def _with_notes(self) -> bytes | None:
        """The stored bytes, with a note that later ones have passed: those can't be rewritten any more."""
        if not any(self.info):
            return None
        passed = [
            half is not None and (not half.complete or half.next_seq != position)
            for half, position in zip(self.halves, positions(self.info), strict=True)
        ]
        return self._noted(passed)

    def without_notes(self) -> bytes:
        """The stored bytes for a successor that gets all later bytes as well."""
        return self._noted([False, False]) if any(self.info) else self.info

    def _noted(self, passed: list[bool]) -> bytes:
        flags = self.info[1] & ~sum(_AHEAD)
        for note, ahead, flag in zip(passed, self.ahead, _AHEAD, strict=True):
            flags |= flag * (note or ahead)
        return bytes([self.info[0], flags]) + self.info[2:]

    def restore(self, info: bytes) -> bool:
        """Continue from stored bytes. Return False if there are none. Raises ParseError."""
        try:
            version, flags, *positions, length = _HEAD.unpack_from(info)
        except error:
            return False
        if version != _VERSION:
            return False
        if length:
            own = info[_HEAD.size : _HEAD.size + min(length, Parser.STATE_MAX)]
            self.parser.restore(bytes(own))
        for which in (0, 1):
            if flags & _HAS_POSITION[which]:
                begins = bool(flags & _UNTOUCHED[which])
                self.halves[which] = HalfStream(positions[which], begins=begins)
            self.ahead[which] = bool(flags & _AHEAD[which])
        self.info = self.stored = bytes(info)
        return True

    def resume(self, info: bytes, segments: Iterable[tuple[bool, int, bytes]]) -> None:
        """Continue from stored bytes and the segments that another process read after storing them.

        The announcements in these segments have been handled. Raises ParseError and StreamError.
        """
        if any(info):
            self.restore(info)
        for reply, seq, data in segments:
            half = self.halves[reply] or HalfStream(seq)
            self.halves[reply] = half
            for event in self.parser.feed(half.feed(seq, data), reply):
                if isinstance(event, Done):
                    self.finished = event.reason or "done"


class _Traits(NamedTuple):
    """What a class of parsers overrides."""

    direct: bool  #: not `feed`, which only calls `datagram`
    bounded: bool  #: `boundary`
    saves: bool
    buffers: bool


_TRAITS: dict[type[Parser], _Traits] = {}


def _traits_of(kind: type[Parser]) -> _Traits:
    traits = _TRAITS.get(kind)
    if traits is None:
        traits = _TRAITS[kind] = _Traits(
            issubclass(kind, DatagramParser) and kind.feed is DatagramParser.feed,
            kind.boundary is not Parser.boundary,
            kind.save is not Parser.save,
            kind.buffered is not Parser.buffered,
        )
    return traits


def handshake_info(seq: int) -> bytes:
    """Return the bytes to store with a client's SYN: its stream begins at this sequence number."""
    flags = _HAS_POSITION[0] | _UNTOUCHED[0]
    return _HEAD.pack(_VERSION, flags, seq & 0xFFFFFFFF, 0, 0).ljust(INFO_SIZE, b"\0")


def positions(info: bytes) -> tuple[int | None, int | None]:
    """Return the stored sequence number of each direction, None where none is stored."""
    if not any(info):
        return None, None
    _, flags, orig, reply, _ = _HEAD.unpack_from(info)
    return orig if flags & _HAS_POSITION[0] else None, reply if flags & _HAS_POSITION[1] else None


__all__ = ["INFO_SIZE", "FlowState", "ParseError", "handshake_info", "positions"]
