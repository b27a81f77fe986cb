"""A queued packet with its conntrack entry (linux/netfilter/nfnetlink_queue.h)."""

from __future__ import annotations

from struct import Struct

from fwhelpers.kernel.conntrack import (
    CTA_HELP,
    CTA_HELP_INFO,
    CTA_MARK,
    CTA_PROTOINFO,
    CTA_PROTOINFO_TCP,
    CTA_PROTOINFO_TCP_STATE,
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
_UNANSWERED = (1, 2)  # enum ip_conntrack_info: IP_CT_RELATED, IP_CT_NEW

#: where attributes are: begin and end of each one's payload, by type
Places = dict[int, tuple[int, int]]


class Packet:
    """A queued packet. Without a conntrack entry its id is 0, its helper and tuples are empty."""

    __slots__ = (
        "_help_places",
        "_places",
        "confirmed",
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

    def __init__(
        self,
        queue: int,
        number: int,
        payload: bytes = b"",
        entry: bytes = b"",
        hw_protocol: int = 0,
        hook: int = 0,
        indev: int = 0,
        outdev: int = 0,
        tuple_orig_raw: bytes = b"",
        ct_id: int = 0,
        status: int = 0,
        timeout: int = 0,
        labels: bytes = b"",
        ctinfo: int = 0,
        helper: str = "",
        places: Places | None = None,
        help_places: Places | None = None,
    ) -> None:
        """`places` and `help_places` are those in `entry` and in its CTA_HELP, if they are known."""
        self.queue = queue
        self.id = number  #: for the verdict
        self.payload = payload  #: the IP packet
        self.entry = entry  #: the conntrack entry's attributes
        self.hw_protocol = hw_protocol
        self.hook = hook  #: hook in which it was queued: LOCAL_IN …
        self.indev = indev  #: index of the input interface, 0 for packets of this host
        self.outdev = outdev  #: index of the output interface, 0 for packets to this host
        #: the original tuple in the kernel's encoding, for use as a key
        self.tuple_orig_raw = tuple_orig_raw
        self.ct_id = ct_id  #: the entry's id, which differs between connections with equal tuples
        self.status = status  #: IPS_* bits
        #: whether the entry is in the table; a connection's first packet is not confirmed yet
        self.confirmed = status & IPS_CONFIRMED != 0
        self.timeout = timeout  #: seconds until the entry expires without further packets
        self.labels = labels  #: the label bits, empty if none is set
        #: enum ip_conntrack_info: 0 established, 1 related, 2 new, 3 and above: reply direction
        self.ctinfo = ctinfo
        self.helper = helper  #: name of the connection's helper
        self._places = places
        self._help_places = help_places

    @property
    def answered(self) -> bool:
        """True if both ends of the connection have sent packets."""
        return self.ctinfo not in _UNANSWERED

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
    def tcp_state(self) -> int:
        """The state of a TCP connection after this packet (enum tcp_conntrack), 0 if it is not known."""
        tcp = part(self._attribute(CTA_PROTOINFO), CTA_PROTOINFO_TCP)
        return int.from_bytes(part(tcp, CTA_PROTOINFO_TCP_STATE), "big")

    @property
    def info(self) -> bytes:
        """The helper's private data."""
        payload = self._attribute(CTA_HELP)
        if self._help_places is None:
            self._help_places = find_places(payload, 0, len(payload))
        begin, end = self._help_places.get(CTA_HELP_INFO, NOWHERE)
        return payload[begin:end]

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
