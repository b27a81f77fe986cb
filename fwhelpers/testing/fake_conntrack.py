"""A simulated conntrack table, sufficient to replay a capture through the engine.

It finds connections by tuple, assigns helpers to new ones, sets the labels that our steering rules would set, and
holds expectations. There is no NAT.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from fwhelpers.engine.headers import FIN, RST, SYN, TCP, Segment
from fwhelpers.kernel import conntrack, labels, transports
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
_GENERIC = 600.0  #: nf_conntrack_generic_timeout, of protocols without a tracker


@dataclass(slots=True, eq=False)
class Connection:
    """An entry of the table."""

    orig: Tuple
    id: int
    helper: str
    midway: bool  #: the capture begins within the connection
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
        """Apply the steering rules to a payload segment; return whether it is queued."""
        if self.labels >> labels.DONE & 1:
            return False
        first, later = (
            (labels.REPLY_SEEN, labels.REPLY_MORE)
            if reply
            else (labels.ORIG_SEEN, labels.ORIG_MORE)
        )
        if self.labels >> first & 1:
            self.labels |= 1 << later
        self.labels |= 1 << first
        return True


@dataclass(slots=True, eq=False)
class Expected:
    """An unexpired expectation."""

    expectation: Expectation
    expires: float
    data: int | None = None  #: number of the frame that matched it
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
        self.used: list[Expectation] = []  #: that a connection has used up, for the caller to clear
        self._ids = count(1)

    # connections

    def track(
        self, packet: bytes, segment: Segment, now: float, frame: int
    ) -> tuple[Connection, bool]:
        """Return the packet's connection, and whether the packet belongs to the reply direction."""
        tuple_ = tuple_of(packet, segment)
        connection = self._connections.get(tuple_)
        if connection is None or self._over(connection, segment, tuple_, now):
            connection = self._new(tuple_, segment, now, frame)
        reply = tuple_ == connection.reply and tuple_ != connection.orig
        self._progress(connection, segment, reply, now)
        return connection, reply

    def _over(self, connection: Connection, segment: Segment, tuple_: Tuple, now: float) -> bool:
        if now > connection.expires:
            return True
        if segment.l4 != TCP or segment.flags & (SYN | _ACK) != SYN:
            return False
        return bool(connection.closed) or segment.seq != connection.first_seq or connection.midway

    def _new(self, tuple_: Tuple, segment: Segment, now: float, frame: int) -> Connection:
        midway = segment.l4 == TCP and segment.flags & (SYN | _ACK) != SYN
        if midway and self._backwards(tuple_, segment, midway):
            tuple_ = backwards(tuple_)
        helper = self._assign(tuple_, midway)
        connection = Connection(tuple_, next(self._ids), helper, midway, segment.seq)
        self._relate(connection, now, frame)
        if connection.helper:
            connection.status |= IPS_HELPER
        self._connections[tuple_] = self._connections[backwards(tuple_)] = connection
        return connection

    def _backwards(self, tuple_: Tuple, segment: Segment, midway: bool) -> bool:
        """Return whether a connection that began before the capture was opened by the other side."""
        if segment.flags & SYN:
            return True
        other = backwards(tuple_)
        if self._find(tuple_) or self._find(other):
            return self._find(tuple_) is None
        return not self._assign(tuple_, midway) and bool(self._assign(other, midway))

    def _progress(self, connection: Connection, segment: Segment, reply: bool, now: float) -> None:
        if reply:
            connection.status |= IPS_SEEN_REPLY
        if not transports.has_ports(segment.l4):
            lifetime = _GENERIC
        elif segment.l4 != TCP:
            lifetime = _UDP_STREAM if connection.status & IPS_SEEN_REPLY else _UDP
        else:
            if segment.flags & RST:
                connection.closed = 3
            elif segment.flags & FIN:
                connection.closed |= 1 << reply
            lifetime = _TCP_CLOSED if connection.closed == 3 else _TCP
        connection.expires = max(connection.expires if segment.l4 != TCP else 0.0, now + lifetime)

    # expectations

    def expect(self, expectation: Expectation, most: int, now: float) -> Expected:
        """Add an expectation; above `most` the master's oldest of the same class are removed."""
        added = Expected(expectation, now + expectation.timeout)
        alive = self._expected.setdefault(_key(expectation.tuple), [])
        alive[:] = [e for e in alive if not _equal(e.expectation, expectation)]
        alive.append(added)
        for old in self._of(expectation)[:-most]:
            self._remove(old)
        return added

    def forget(self, expectation: Expectation) -> None:
        """Delete the expectations with the same tuple and mask."""
        for expected in list(self._expected.get(_key(expectation.tuple), [])):
            if _equal(expected.expectation, expectation):
                self._remove(expected)

    def has(self, expectation: Expectation, now: float) -> bool:
        """Return whether the master has an equal, unexpired expectation."""
        return any(
            _equal(expected.expectation, expectation)
            and expected.expectation.master == expectation.master
            and now <= expected.expires
            for expected in self._expected.get(_key(expectation.tuple), [])
        )

    def _relate(self, connection: Connection, now: float, frame: int) -> None:
        expected = self._find(connection.orig)
        if expected is None or now > expected.expires:
            return
        if expected.data is None:
            expected.data = frame
        if not expected.expectation.flags & PERMANENT:
            self._remove(expected)
            self.used.append(expected.expectation)
        connection.status |= IPS_EXPECTED
        connection.master = expected.expectation.master
        connection.helper = expected.expectation.helper or self._redirected(connection)

    def _redirected(self, connection: Connection) -> str:
        """Return the helper of an expected connection: its master's, if that helper redirects."""
        master = self._connections.get(connection.master) if connection.master else None
        same = master is not None and master.helper == connection.helper
        return connection.helper if same and self._redirects(connection.helper) else ""

    def _find(self, tuple_: Tuple) -> Expected | None:
        for expected in self._expected.get(_key(tuple_), []):
            expectation = expected.expectation
            if (
                _masked(expectation.tuple.src, expectation.mask.src)
                == _masked(tuple_.src, expectation.mask.src)
                and not (expectation.tuple.sport ^ tuple_.sport) & expectation.mask.sport
            ):
                return expected
        return None

    def _of(self, like: Expectation) -> list[Expected]:
        alike = [
            expected
            for alive in self._expected.values()
            for expected in alive
            if expected.expectation.master == like.master
            and expected.expectation.klass == like.klass
        ]
        return sorted(alike, key=lambda expected: expected.expires)

    def _remove(self, expected: Expected) -> None:
        expected.gone = True
        alive = self._expected.get(_key(expected.expectation.tuple), [])
        if expected in alive:
            alive.remove(expected)


def tuple_of(packet: bytes, segment: Segment) -> Tuple:
    """Return the packet's tuple."""
    src, dst = (
        (packet[12:16], packet[16:20]) if packet[0] >> 4 == 4 else (packet[8:24], packet[24:40])
    )
    if not transports.has_ports(segment.l4):
        return Tuple(src, dst, segment.l4, 0, 0)
    at = segment.transport
    sport, dport = (int.from_bytes(packet[at + i : at + i + 2], "big") for i in (0, 2))
    return Tuple(src, dst, segment.l4, sport, dport)


def backwards(tuple_: Tuple) -> Tuple:
    """Return the tuple of the other direction."""
    return Tuple(tuple_.dst, tuple_.src, tuple_.l4, tuple_.dport, tuple_.sport)


def confirm(connection: Connection) -> None:
    """Confirm a connection, whose first packet has passed."""
    connection.status |= IPS_CONFIRMED


def _masked(addr: bytes, mask: bytes) -> bytes:
    return bytes(a & b for a, b in zip(addr, mask, strict=True))


def _key(tuple_: Tuple) -> Tuple:
    # the destination must match exactly (nf_ct_exp_equal); sources are compared one by one
    return tuple_._replace(src=b"", sport=0)


def _equal(a: Expectation, b: Expectation) -> bool:
    return a.tuple == b.tuple and a.mask == b.mask
