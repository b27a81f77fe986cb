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
from fwhelpers.engine.mangle import Edits
from fwhelpers.engine.registry import NO_ACCOUNT, Account
from fwhelpers.engine.stream import HalfStream
from fwhelpers.kernel.conntrack import Tuple

_HEAD = Struct("!BBIIB")
_VERSION = 1
_HAS_POSITION = (1, 2)  # a flag for each direction

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
    edits: tuple[Edits, Edits] = field(default_factory=lambda: (Edits(), Edits()))
    info: bytes = b""
    finished: str = ""  #: the reason why the flow is not parsed any more
    released: bool = False  #: the label that takes it out of the queue was set
    keep_until: float = 0.0  #: end of its last expectation
    account: Account = NO_ACCOUNT  #: whose quota its expectations count on (G9)

    @property
    def connection(self) -> Connection:
        """The owner of its expectations."""
        return Connection(self.zone, self.orig)

    def snapshot(self) -> bytes | None:
        """Return the 32 bytes to store, None within a message."""
        if not (self.parser.boundary(False) and self.parser.boundary(True)):
            return None
        flags, positions = 0, [0, 0]
        for which, half in enumerate(self.halves):
            if half is not None:
                if not half.complete:
                    return None
                flags |= _HAS_POSITION[which]
                positions[which] = half.next_seq
        own = self.parser.save()[: Parser.STATE_MAX]
        return (_HEAD.pack(_VERSION, flags, *positions, len(own)) + own).ljust(INFO_SIZE, b"\0")

    def restore(self, info: bytes) -> bool:
        """Continue from stored bytes. Return False if there are none. Raises ParseError."""
        try:
            version, flags, *positions, length = _HEAD.unpack_from(info)
        except error:
            return False
        if version != _VERSION:
            return False
        self.parser.restore(bytes(info[_HEAD.size : _HEAD.size + min(length, Parser.STATE_MAX)]))
        for which in (0, 1):
            if flags & _HAS_POSITION[which]:
                self.halves[which] = HalfStream(positions[which])
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


def positions(info: bytes) -> tuple[int | None, int | None]:
    """Return the stored sequence number of each direction, None where none is stored."""
    if not any(info):
        return None, None
    _, flags, orig, reply, _ = _HEAD.unpack_from(info)
    return orig if flags & _HAS_POSITION[0] else None, reply if flags & _HAS_POSITION[1] else None


__all__ = ["INFO_SIZE", "FlowState", "ParseError", "positions"]
