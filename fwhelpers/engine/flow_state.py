"""The state of one control connection, and the 32 bytes of it that survive the process.

    0         1       2             6              10      11
    | version | flags | next (orig) | next (reply) | length | parser's own state, at most 20 |

They are stored in the conntrack entry itself (CTA_HELP_INFO), at message boundaries only. A worker that is killed
between a PASV and its 227 loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct, error

from fwhelpers.api import Done, Flow, ParseError, Parser
from fwhelpers.engine.expectation_key import Connection
from fwhelpers.engine.registry import NO_ACCOUNT, Account
from fwhelpers.engine.rewriting import Rewriter
from fwhelpers.engine.stream import HalfStream
from fwhelpers.kernel.conntrack import Tuple

_HEAD = Struct("!BBIIB")
_VERSION = 1
# a flag for each direction: its position is stored; no payload has been read; later bytes have passed
_HAS_POSITION = (1, 2)
_UNTOUCHED = (4, 8)
_AHEAD = (16, 32)

INFO_SIZE = 32


@dataclass(slots=True)
class FlowState:
    """A control connection under inspection."""

    flow: Flow
    helper: str  #: as registered with the kernel
    orig: Tuple
    reply: Tuple
    zone: int
    parser: Parser
    halves: list[HalfStream | None] = field(default_factory=lambda: [None, None])
    rewriters: tuple[Rewriter, Rewriter] = field(default_factory=lambda: (Rewriter(), Rewriter()))
    #: for each direction: bytes behind a gap have passed, which another worker has read
    ahead: list[bool] = field(default_factory=lambda: [False, False])
    info: bytes = b""
    finished: str = ""  #: the reason why the flow is not parsed any more
    accounted: int = 0  #: bytes that the table has counted
    released: bool = False  #: the label that takes it out of the queue was set
    keep_until: float = 0.0  #: end of its last expectation
    account: Account = NO_ACCOUNT  #: whose quota its expectations count on (G9)

    @property
    def connection(self) -> Connection:
        """The owner of its expectations."""
        return Connection(self.zone, self.orig)

    @property
    def held_bytes(self) -> int:
        """Bytes of the connection that are held in memory."""
        client, server = self.halves
        held = self.parser.buffered
        held += client.buffered_bytes if client else 0
        return held + (server.buffered_bytes if server else 0)

    def release(self) -> None:
        """Free what is needed for parsing only."""
        self.parser = Parser(self.flow, {})
        for half in self.halves:
            if half is not None:
                half.release()

    def due(self, now: float) -> bool:
        """Return whether retransmissions may still need rewriting."""
        client, server = self.rewriters
        return client.due(now) or server.due(now)

    def snapshot(self) -> bytes | None:
        """Return the 32 bytes to store, None if there is no position yet at which a message begins."""
        gap = any(half and not half.complete for half in self.halves)
        if gap or not (self.parser.boundary(False) and self.parser.boundary(True)):
            return self._with_notes()
        flags, positions = 0, [0, 0]
        for which, half in enumerate(self.halves):
            if half is not None:
                flags |= _HAS_POSITION[which] | (
                    0 if half.next else _UNTOUCHED[which] * half.untouched
                )
                positions[which] = half.next_seq
            flags |= _AHEAD[which] * self.ahead[which]
        own = self.parser.save()[: Parser.STATE_MAX]
        return (_HEAD.pack(_VERSION, flags, *positions, len(own)) + own).ljust(INFO_SIZE, b"\0")

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
        self.info = bytes(info)
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
