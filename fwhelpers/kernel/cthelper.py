"""User-space helper objects (linux/netfilter/nfnetlink_cthelper.h)."""

from __future__ import annotations

from dataclasses import dataclass

from fwhelpers.kernel import nfnl
from fwhelpers.kernel.nla import (
    Buffer,
    DecodeError,
    be16,
    be32,
    nest,
    number,
    parse,
    strz,
    text,
    u8,
)

_NEW, _GET, _DELETE = 0, 1, 2
_NAME, _TUPLE, _QUEUE, _POLICY, _PRIV_LEN, _STATUS = 1, 2, 3, 4, 5, 6
_TUPLE_L3, _TUPLE_L4 = 1, 2
_SET_NUM, _SET = 1, 2
_POLICY_NAME, _POLICY_MAX, _POLICY_TIMEOUT = 1, 2, 3


@dataclass(frozen=True, slots=True)
class CtPolicy:
    """A class of expectations: the maximum for each master, and their lifetime in seconds."""

    name: str
    max: int
    timeout: int


@dataclass(frozen=True, slots=True)
class CtHelper:
    """A helper object; the kernel's key is name, l3 and l4."""

    name: str
    l3: int  #: AF_INET or AF_INET6
    l4: int
    queue: int = 0
    status: int = 0  #: 0 disabled, 1 enabled
    priv_len: int = 32
    policies: tuple[CtPolicy, ...] = ()

    def __str__(self) -> str:
        family = {2: "inet", 10: "inet6"}.get(self.l3, str(self.l3))
        return f"{self.name} {family} {({6: 'tcp', 17: 'udp'}).get(self.l4, self.l4)}"


def encode_new(helper: CtHelper, excl: bool = False) -> bytes:
    """Encode a creation, or without `excl` an update of queue, status and the policies' numbers."""
    sets = [
        nest(_SET + n, strz(_POLICY_NAME, p.name), be32(_POLICY_MAX, p.max), be32(_POLICY_TIMEOUT, p.timeout))
        for n, p in enumerate(helper.policies)
    ]  # fmt: skip
    payload = b"".join(
        [
            _key(helper),
            be32(_QUEUE, helper.queue),
            nest(_POLICY, be32(_SET_NUM, len(sets)), *sets),
            be32(_PRIV_LEN, helper.priv_len),
            be32(_STATUS, helper.status),
        ]
    )
    flags = nfnl.CREATE | nfnl.ACK | (nfnl.EXCL if excl else 0)
    return nfnl.message(nfnl.CTHELPER, _NEW, flags, payload)


def encode_delete(helper: CtHelper) -> bytes:
    """Encode a deletion."""
    return nfnl.message(nfnl.CTHELPER, _DELETE, nfnl.ACK, _key(helper))


def encode_dump() -> bytes:
    """Encode a dump of all user-space helpers of the machine."""
    return nfnl.message(nfnl.CTHELPER, _GET, nfnl.DUMP)


def parse_helper(payload: Buffer) -> CtHelper:
    """Decode a message's payload. Raises DecodeError."""
    parts = parse(payload)
    if _NAME not in parts or _TUPLE not in parts:
        raise DecodeError("helper without name or tuple")
    key = parse(parts[_TUPLE])
    empty = memoryview(b"")
    policies = parse(parts.get(_POLICY, empty))
    return CtHelper(
        text(parts[_NAME]),
        number(key.get(_TUPLE_L3, empty)),
        number(key.get(_TUPLE_L4, empty)),
        number(parts.get(_QUEUE, empty)),
        number(parts.get(_STATUS, empty)),
        number(parts.get(_PRIV_LEN, empty)),
        tuple(_policy(policies[k]) for k in sorted(policies) if k >= _SET),
    )


def _policy(payload: memoryview) -> CtPolicy:
    parts = parse(payload)
    empty = memoryview(b"")
    return CtPolicy(
        text(parts.get(_POLICY_NAME, empty)),
        number(parts.get(_POLICY_MAX, empty)),
        number(parts.get(_POLICY_TIMEOUT, empty)),
    )


def _key(helper: CtHelper) -> bytes:
    return strz(_NAME, helper.name) + nest(
        _TUPLE, be16(_TUPLE_L3, helper.l3), u8(_TUPLE_L4, helper.l4)
    )
