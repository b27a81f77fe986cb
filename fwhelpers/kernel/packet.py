"""A queued packet with its conntrack entry (linux/netfilter/nfnetlink_queue.h)."""

from __future__ import annotations

from struct import Struct

from fwhelpers.kernel.conntrack import (
    CTA_HELP,
    CTA_HELP_INFO,
    CTA_MARK,
    CTA_SEQ_ADJ_ORIG,
    CTA_SEQ_ADJ_REPLY,
    CTA_TUPLE_REPLY,
    CTA_ZONE,
    IPS_CONFIRMED,
    SeqAdjustment,
    Tuple,
    parse_seq_adjustment,
    parse_tuple,
)

PACKET_HDR, INDEV, OUTDEV, PAYLOAD, CT, CT_INFO = 1, 5, 6, 10, 11, 12

_ATTR = Struct("=HH")

_NO_TUPLE = Tuple(bytes(4), bytes(4), 0, 0, 0)
NOWHERE = (0, 0)

#: where attributes are: begin and end of each one's payload, by type
Places = dict[int, tuple[int, int]]


class Packet:
    """A queued packet. Without a conntrack entry its id is 0, its helper and tuples are empty."""

    __slots__ = (
        "_places",
        "ct_id",
        "ctinfo",
        "entry",
        "helper",
        "hook",
        "hw_protocol",
        "id",
        "indev",
        "labels",
        "outdev",
        "payload",
        "queue",
        "status",
        "timeout",
        "tuple_orig_raw",
    )

    def __init__(self, queue: int, number: int, payload: bytes = b"", entry: bytes = b"") -> None:
        self.queue = queue
        self.id = number  #: for the verdict
        self.payload = payload  #: the IP packet
        self.entry = entry  #: the conntrack entry's attributes
        self._places: Places | None = None
        self.hw_protocol = 0
        self.hook = 0  #: hook in which it was queued: LOCAL_IN …
        self.indev = 0  #: index of the input interface, 0 for packets of this host
        self.outdev = 0  #: index of the output interface, 0 for packets to this host
        #: enum ip_conntrack_info: 0 established, 1 related, 2 new, 3 and above: reply direction
        self.ctinfo = 0
        self.tuple_orig_raw = b""  #: the original tuple in the kernel's encoding, for use as a key
        self.ct_id = 0  #: the entry's id, which differs between connections with equal tuples
        self.status = 0  #: IPS_* bits
        self.timeout = 0  #: seconds until the entry expires without further packets
        self.helper = ""  #: name of the connection's helper
        self.labels = b""  #: the label bits, empty if none is set

    @property
    def confirmed(self) -> bool:
        """True if the entry is in the table; a connection's first packet is not confirmed yet."""
        return self.status & IPS_CONFIRMED != 0

    @property
    def orig(self) -> Tuple:
        """The original tuple. Raises DecodeError."""
        return parse_tuple(self.tuple_orig_raw) if self.tuple_orig_raw else _NO_TUPLE

    @property
    def reply(self) -> Tuple:
        """The reply tuple. Raises DecodeError."""
        raw = self._attribute(CTA_TUPLE_REPLY)
        return parse_tuple(raw) if raw else _NO_TUPLE

    @property
    def zone(self) -> int:
        """The conntrack zone."""
        return int.from_bytes(self._attribute(CTA_ZONE), "big")

    @property
    def mark(self) -> int:
        """The connection mark."""
        return int.from_bytes(self._attribute(CTA_MARK), "big")

    @property
    def info(self) -> bytes:
        """The helper's private data."""
        return part(self._attribute(CTA_HELP), CTA_HELP_INFO)

    def seq_adjustment(self, reply: bool) -> SeqAdjustment:
        """How the kernel moves sequence numbers of a direction. Raises DecodeError."""
        kind = CTA_SEQ_ADJ_REPLY if reply else CTA_SEQ_ADJ_ORIG
        return parse_seq_adjustment(self._attribute(kind))

    def _attribute(self, kind: int) -> bytes:
        if self._places is None:
            self._places = find_places(self.entry, 0, len(self.entry))
        begin, end = self._places.get(kind, NOWHERE)
        return self.entry[begin:end]


def part(buffer: bytes, kind: int) -> bytes:
    begin, end = find_places(buffer, 0, len(buffer)).get(kind, NOWHERE)
    return buffer[begin:end]


def find_places(buffer: bytes, begin: int, end: int) -> Places:
    """Return the places of the attributes that precede the first malformed one."""
    places: Places = {}
    unpack = _ATTR.unpack_from
    while begin + 4 <= end:
        size, kind = unpack(buffer, begin)
        if size < 4 or begin + size > end:
            break
        places[kind & 0x3FFF] = (begin + 4, begin + size)
        begin += (size + 3) & ~3
    return places
