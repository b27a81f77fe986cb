"""Socket filters that pass only the kernel events in use (classic BPF, linux/filter.h).

A busy gateway produces tens of thousands of conntrack events a second, and changes of a ruleset with large sets as
many nftables events. The filter keeps those that are not needed from being copied to the socket. Netlink runs it for
each listener (af_netlink.c: do_one_broadcast, sk_filter).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from struct import Struct

from fwhelpers.kernel import nfnl
from fwhelpers.kernel.conntrack import CTA_STATUS, IPS_EXPECTED, IPS_HELPER
from fwhelpers.kernel.nft_events import COMMITTED

_INSTRUCTION = Struct("=HBBI")  # sock_filter: code, jump if true, jump if false, k

_LOAD_BYTE, _LOAD_AT_X, _LOAD_SPECIAL = 0x30, 0x40, 0x20  # BPF_LD | ABS, IND
_LOAD_NUMBER, _LOAD_X, _A_TO_X = 0x00, 0x01, 0x07
_IF_EQUAL, _IF_BITS, _RETURN = 0x15, 0x45, 0x06
_FIND_ATTRIBUTE = (
    0xFFFFF000 + 12
)  # SKF_AD_OFF + SKF_AD_NLATTR: offset of attribute X, searched from A on
_ALL = 0xFFFFFFFF

# nlmsghdr.nlmsg_type in the host's byte order: the subsystem is its upper half
_KIND, _SUBSYSTEM = (4, 5) if sys.byteorder == "little" else (5, 4)


def helper_events() -> bytes:
    """A filter for expectation events, and conntrack events of entries that have a helper or were expected."""
    program = (
        (_LOAD_BYTE, 0, 0, _SUBSYSTEM),
        (_IF_EQUAL, 7, 0, nfnl.CTNETLINK_EXP),
        (_LOAD_X, 0, 0, CTA_STATUS),
        (_LOAD_NUMBER, 0, 0, nfnl.SIZE),
        (_LOAD_SPECIAL, 0, 0, _FIND_ATTRIBUTE),
        (_IF_EQUAL, 4, 0, 0),
        (_A_TO_X, 0, 0, 0),
        (_LOAD_AT_X, 0, 0, 4),
        (_IF_BITS, 0, 1, IPS_EXPECTED | IPS_HELPER),
        (_RETURN, 0, 0, _ALL),
        (_RETURN, 0, 0, 0),
    )
    return _encode(program)


def commit_events() -> bytes:
    """A filter for the message at the end of each nftables transaction."""
    program = (
        (_LOAD_BYTE, 0, 0, _SUBSYSTEM),
        (_IF_EQUAL, 0, 3, nfnl.NFTABLES),
        (_LOAD_BYTE, 0, 0, _KIND),
        (_IF_EQUAL, 0, 1, COMMITTED),
        (_RETURN, 0, 0, _ALL),
        (_RETURN, 0, 0, 0),
    )
    return _encode(program)


def _encode(program: Iterable[tuple[int, int, int, int]]) -> bytes:
    return b"".join(_INSTRUCTION.pack(*fields) for fields in program)
