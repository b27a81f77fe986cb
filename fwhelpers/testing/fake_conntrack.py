"""A small conntrack: enough of one to replay a capture through the engine.

It knows connections by their tuples, gives helpers to new ones, sets the labels that our steering rules would set, and
keeps expectations. There is no NAT.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from fwhelpers.engine.headers import FIN, RST, SYN, TCP, Segment
from fwhelpers.kernel import conntrack, labels
from fwhelpers.kernel.conntrack import (
    IPS_CONFIRMED,
    IPS_EXPECTED,
    IPS_HELPER,
    IPS_SEEN_REPLY,
    Tuple,
)
from fwhelpers.kernel.expect import PERMANENT, Expectation

_ACK = 0x10

#: seconds; nf_conntrack_{udp,udp_stream,tcp_established,tcp_time_wait}_timeout
_UDP, _UDP_STREAM, _TCP, _TCP_CLOSED = 30.0, 120.0, 432000.0, 120.0


@dataclass(slots=True, eq=False)
class Connection:
    """An entry of the table."""

    orig: Tuple
    id: int
    helper: str
    midway: bool  #: its beginning was not seen
    first_seq: int
    expires: float = 0.0
    status: int = 0
    info: bytes = bytes(32)
    labels: int = 0
    closed: int = 0  #: directions that sent FIN, as bits; 3 after RST
    master: Tuple | None = None

    @property
    def reply(self) -> Tuple:
        """The other direction."""
        return backwards(self.orig)

    def entry(self, now: float) -> conntrack.Conntrack:
        """The entry as the kernel describes it."""
        set_ = [bit for bit in range(128) if self.labels >> bit & 1]
        return conntrack.Conntrack(
            self.orig, self.reply, self.status, int(self.expires - now), id=self.id,
            helper=self.helper, info=self.info, labels=labels.bits(*set_),
        )  # fmt: skip

    def begin(self) -> bool:
        """Apply the steering rules to a SYN; return whether it begins the connection."""
        if self.status & IPS_CONFIRMED:
            return False
        self.labels |= 1 << labels.BEGAN
        return True

    def steer(self, reply: bool) -> bool:
        """What the steering rules do with a payload segment; True: it is queued."""
        if self.labels >> labels.DONE & 1:
            return False
        seen, more = (
            (labels.REPLY_SEEN, labels.REPLY_MORE)
            if reply
            else (labels.ORIG_SEEN, labels.ORIG_MORE)
        )
        if self.labels >> seen & 1:
            self.labels |= 1 << more
        self.labels |= 1 << seen
        return True


@dataclass(slots=True, eq=False)
class Expected:
    """An expectation that is alive."""

    expectation: Expectation
    expires: float
    data: int | None = None  #: the frame that it was waiting for
    gone: bool = False


class Conntrack:
    """The table. `assign` returns a new connection's helper by its tuple, "" for none.

    `redirects` returns whether a helper may assign itself to expected connections (`Helper.redirects`).
    """

    def __init__(
        self,
        assign: Callable[[Tuple, bool], str],
        redirects: Callable[[str], bool] = lambda helper: False,
    ) -> None:
        self._assign = assign
        self._redirects = redirects
        self._connections: dict[Tuple, Connection] = {}
        self._expected: dict[Tuple, list[Expected]] = {}
        self._ids = count(1)

    # connections

    def see(
        self, packet: bytes, segment: Segment, now: float, frame: int
    ) -> tuple[Connection, bool]:
        """The packet's connection, and whether it goes in the reply direction."""
        seen = tuple_of(packet, segment)
        connection = self._connections.get(seen)
        if connection is None or self._over(connection, segment, seen, now):
            connection = self._new(seen, segment, now, frame)
        reply = seen == connection.reply and seen != connection.orig
        self._progress(connection, segment, reply, now)
        return connection, reply

    def _over(self, connection: Connection, segment: Segment, seen: Tuple, now: float) -> bool:
        if now > connection.expires:
            return True
        if segment.l4 != TCP or segment.flags & (SYN | _ACK) != SYN:
            return False
        return bool(connection.closed) or segment.seq != connection.first_seq or connection.midway

    def _new(self, seen: Tuple, segment: Segment, now: float, frame: int) -> Connection:
        midway = segment.l4 == TCP and segment.flags & (SYN | _ACK) != SYN
        if midway and self._backwards(seen, segment, midway):
            seen = backwards(seen)
        helper = self._assign(seen, midway)
        connection = Connection(seen, next(self._ids), helper, midway, segment.seq)
        self._relate(connection, now, frame)
        if connection.helper:
            connection.status |= IPS_HELPER
        self._connections[seen] = self._connections[backwards(seen)] = connection
        return connection

    def _backwards(self, seen: Tuple, segment: Segment, midway: bool) -> bool:
        """The capture begins within the connection: was it opened from the other side?"""
        if segment.flags & SYN:
            return True
        other = backwards(seen)
        if self._find(seen) or self._find(other):
            return self._find(seen) is None
        return not self._assign(seen, midway) and bool(self._assign(other, midway))

    def _progress(self, connection: Connection, segment: Segment, reply: bool, now: float) -> None:
        if reply:
            connection.status |= IPS_SEEN_REPLY
        if segment.l4 != TCP:
            lives = _UDP_STREAM if connection.status & IPS_SEEN_REPLY else _UDP
        else:
            if segment.flags & RST:
                connection.closed = 3
            elif segment.flags & FIN:
                connection.closed |= 1 << reply
            lives = _TCP_CLOSED if connection.closed == 3 else _TCP
        connection.expires = max(connection.expires if segment.l4 != TCP else 0.0, now + lives)

    # expectations

    def expect(self, expectation: Expectation, most: int, now: float) -> Expected:
        """Add one; the master's oldest of its class give way above `most`."""
        added = Expected(expectation, now + expectation.timeout)
        alive = self._expected.setdefault(_key(expectation.tuple), [])
        alive[:] = [e for e in alive if not _equal(e.expectation, expectation)]
        alive.append(added)
        for old in self._of(expectation)[:-most]:
            self._remove(old)
        return added

    def forget(self, expectation: Expectation) -> None:
        """Delete those of the same tuple."""
        for one in list(self._expected.get(_key(expectation.tuple), [])):
            if _equal(one.expectation, expectation):
                self._remove(one)

    def has(self, expectation: Expectation, now: float) -> bool:
        """Return whether an equal one of the same master is alive."""
        return any(
            _equal(one.expectation, expectation)
            and one.expectation.master == expectation.master
            and now <= one.expires
            for one in self._expected.get(_key(expectation.tuple), [])
        )

    def _relate(self, connection: Connection, now: float, frame: int) -> None:
        found = self._find(connection.orig)
        if found is None or now > found.expires:
            return
        if found.data is None:
            found.data = frame
        if not found.expectation.flags & PERMANENT:
            self._remove(found)
        connection.status |= IPS_EXPECTED
        connection.master = found.expectation.master
        connection.helper = found.expectation.helper or self._redirected(connection)

    def _redirected(self, connection: Connection) -> str:
        """The helper that the rules assign to an expected connection: its master's, if that redirects."""
        master = self._connections.get(connection.master) if connection.master else None
        same = master is not None and master.helper == connection.helper
        return connection.helper if same and self._redirects(connection.helper) else ""

    def _find(self, seen: Tuple) -> Expected | None:
        for one in self._expected.get(_key(seen), []):
            wanted = one.expectation
            if _masked(wanted.tuple.src, wanted.mask.src) == _masked(
                seen.src, wanted.mask.src
            ) and (not wanted.mask.sport or wanted.tuple.sport == seen.sport):
                return one
        return None

    def _of(self, like: Expectation) -> list[Expected]:
        found = [
            one
            for alive in self._expected.values()
            for one in alive
            if one.expectation.master == like.master and one.expectation.klass == like.klass
        ]
        return sorted(found, key=lambda one: one.expires)

    def _remove(self, one: Expected) -> None:
        one.gone = True
        alive = self._expected.get(_key(one.expectation.tuple), [])
        if one in alive:
            alive.remove(one)


def tuple_of(packet: bytes, segment: Segment) -> Tuple:
    """The packet's own tuple."""
    src, dst = (
        (packet[12:16], packet[16:20]) if packet[0] >> 4 == 4 else (packet[8:24], packet[24:40])
    )
    at = segment.transport
    sport, dport = (int.from_bytes(packet[at + i : at + i + 2], "big") for i in (0, 2))
    return Tuple(src, dst, segment.l4, sport, dport)


def backwards(seen: Tuple) -> Tuple:
    """The other direction's tuple."""
    return Tuple(seen.dst, seen.src, seen.l4, seen.dport, seen.sport)


def confirm(connection: Connection) -> None:
    """Its first packet has passed."""
    connection.status |= IPS_CONFIRMED


def _masked(addr: bytes, mask: bytes) -> bytes:
    return bytes(a & b for a, b in zip(addr, mask, strict=True))


def _key(seen: Tuple) -> Tuple:
    # the destination must match exactly (nf_ct_exp_equal); sources are compared one by one
    return seen._replace(src=b"", sport=0)


def _equal(a: Expectation, b: Expectation) -> bool:
    return a.tuple == b.tuple and a.mask == b.mask
